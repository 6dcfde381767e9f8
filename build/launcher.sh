#!/bin/sh
# Starts the command with the .NET runtime that it was built with, and tells it which checkout it belongs to.
here=$(dirname "$(readlink -f "$0")")
DOTNET_ROOT=${DOTNET_ROOT:-@DOTNET_ROOT@}
DRIVERLAB_HOME=${DRIVERLAB_HOME:-$(dirname "$here")}
export DOTNET_ROOT DRIVERLAB_HOME
exec "$here/app/driverlab" "$@"
