#!/bin/sh
# Starts the command with the .NET runtime that it was built with, and tells it which checkout it belongs to.
here=$(readlink -f "$0")
here=${here%/*}
# These verbs take less time than starting the runtime: a program of their own has them, compiled ahead of time.
if [ "${1:-}" = thin ] && [ -x "$here/thin/driverlab-thin" ]; then exec "$here/thin/driverlab-thin" "$@"; fi
DOTNET_ROOT=${DOTNET_ROOT:-@DOTNET_ROOT@}
DRIVERLAB_HOME=${DRIVERLAB_HOME:-$(dirname "$here")}
# No diagnostics port: it would leave a socket in /tmp behind when the command is killed.
DOTNET_EnableDiagnostics=${DOTNET_EnableDiagnostics:-0}
export DOTNET_ROOT DRIVERLAB_HOME DOTNET_EnableDiagnostics
exec "$here/app/driverlab" "$@"
