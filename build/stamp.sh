#!/usr/bin/env bash
# stamp.sh command|guest|thin: a key of everything that the command, the guest program, or the program of `driverlab thin` is built from. Content, not times: a fresh checkout of the same
# commit has the same key. The SDK's version is part of it, since it brings the compilers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case "${1:-}" in
  command) trees=(src) ;;
  guest) trees=(src/DriverLab.Linux src/DriverLab.Native src/DriverLab.StorageDrivers src/DriverLab.Conformance src/DriverLab.Guest src/Directory.Build.props) ;;
  thin) trees=(src/DriverLab.Formats src/DriverLab.ThinTools src/DriverLab.ThinCommand src/DriverLab.Cli/Commands/Thin src/DriverLab.Cli/Output/JsonLines.cs src/DriverLab.Cli/ExitCode.cs src/DriverLab.Cli/Invocation.cs src/Directory.Build.props) ;;
  *) echo "stamp.sh: '${1:-}': expected command, guest or thin" >&2; exit 2 ;;
esac
sdk=$(command -v dotnet || true)
{
  find "${trees[@]}" build/analyzers Directory.Build.props Directory.Packages.props global.json \
    -type d \( -name bin -o -name obj \) -prune -o -type f ! -name '*.md' ! -name packages.lock.json -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
  [ -z "$sdk" ] || ls "$(dirname "$(readlink -f "$sdk")")/sdk" 2>/dev/null || true
} | sha256sum | cut -d' ' -f1
