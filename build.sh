#!/usr/bin/env bash
# build.sh: the one door to building, testing and running DriverLab. `./build.sh help` tells the verbs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'TEXT'
usage: ./build.sh [--no-install] VERB [arguments of the verb]

  build     restore, compile everything, leave the command at artifacts/driverlab
  test      every test, those that boot a machine included; ends with "N passed, N failed, N skipped"
  conform   run the scenarios on the emulator and on a real kernel, and compare; arguments go to `driverlab conform`,
            for instance: ./build.sh conform --kernel 6.1 --kernel 6.12
  bench     the benchmarks, each beside the machine's own kernel; --quick for a minute's worth
  long      the tests that take long: many seeds, crash sweeps
  pack      NuGet packages of the libraries, in artifacts/packages
  guest     only the program that runs inside the machines, in artifacts/guest
  clean     remove everything that a build left

  --no-install  install no Debian package: say which are missing and stop

exit codes: 0 done, 1 failed or different, 2 usage, 3 something is missing on this machine, 70 internal error
TEXT
}
say() { printf 'build.sh: %s\n' "$*" >&2; }

no_install=${DRIVERLAB_NO_INSTALL:-}
verb=
arguments=()
for argument in "$@"; do
  if [ "$argument" = --no-install ]; then no_install=1
  elif [ -z "$verb" ]; then verb=$argument
  else arguments+=("$argument"); fi
done

case "$verb" in
  build|test|conform|bench|long|pack|guest) ;;
  clean) rm -rf artifacts TestResults; find src tests \( -name bin -o -name obj \) -type d -prune -exec rm -rf {} +; exit 0 ;;
  help|-h|--help) usage; exit 0 ;;
  "") usage >&2; exit 2 ;;
  *) say "'$verb' is no verb: expected build, test, conform, bench, long, pack, guest or clean (./build.sh help)"; exit 2 ;;
esac

# ---- what the machine must have ---------------------------------------------------------------------------------------------------

program() { PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" command -v "$1" 2>/dev/null; }

present() { # one of the tests that build/packages.txt explains
  case "$1" in
    "cmd "*) program "${1#cmd }" >/dev/null ;;
    # A program that needs a dynamic loader names it within its first page.
    "static "*) local file; file=$(program "${1#static }") && ! head -c 4096 "$file" | grep -aq /ld-linux ;;
    "file "*) compgen -G "${1#file }" >/dev/null ;;
    *) say "build/packages.txt: '$1': expected 'cmd NAME', 'static NAME' or 'file PATH'"; exit 70 ;;
  esac
}
trim() { local text=$1; text=${text#"${text%%[![:space:]]*}"}; printf '%s' "${text%"${text##*[![:space:]]}"}"; }

install_missing() {
  local package verbs test why missing=()
  while IFS='|' read -r package verbs test why; do
    package=$(trim "$package")
    case "$package" in ''|\#*) continue ;; esac
    case " $verbs " in *" $verb "*) ;; *) continue ;; esac
    present "$(trim "$test")" && continue
    [ ${#missing[@]} -gt 0 ] || say "this machine lacks:"
    say "  $package: $(trim "$why")"
    missing+=("$package")
  done < build/packages.txt
  [ ${#missing[@]} -gt 0 ] || return 0

  local as_root=()
  local command="apt-get install --no-install-recommends ${missing[*]}"
  if [ -n "$no_install" ]; then say "not installing (--no-install); to install: $command"; exit 3; fi
  if ! command -v apt-get >/dev/null; then say "no apt-get here: install the packages above by this system's own means"; exit 3; fi
  if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then say "not root, and no sudo: run as root: $command"; exit 3; fi
    as_root=(sudo)
  fi
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q --no-install-recommends -o Dpkg::Use-Pty=0)
  say "installing: $command"
  if ! "${apt[@]}" install "${missing[@]}" >&2; then
    say "refreshing the list of packages, then trying again"
    if ! "${apt[@]}" update >&2 || ! "${apt[@]}" install "${missing[@]}" >&2; then
      say "could not install ${missing[*]}: see apt's words above; then run again"; exit 3
    fi
  fi
}

need_sdk() {
  if ! command -v dotnet >/dev/null; then
    say "no .NET SDK: 'dotnet' is not on PATH; install SDK 10.0 (https://dotnet.microsoft.com/download), then run again"; exit 3
  fi
  export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_GENERATE_ASPNET_CERTIFICATE=false DOTNET_CLI_USE_MSBUILD_SERVER=0 MSBUILDDISABLENODEREUSE=1
  # The SDK wants ICU; DriverLab does not, so a machine without it builds all the same.
  compgen -G '/usr/lib/*/libicuuc.so.*' >/dev/null || export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
}

cake() {
  if ! version=$(dotnet --version 2>&1); then say "the .NET SDK here does not fit global.json (10.0.100 or newer): $version"; exit 3; fi
  dotnet tool restore -v quiet >&2 || { say "could not restore the tools of .config/dotnet-tools.json: see above"; exit 3; }
  DRIVERLAB_ARGUMENTS=$(printf '%s\n' ${arguments[@]+"${arguments[@]}"}) dotnet cake build.cake --target="$1" --verbosity=normal
}

# ---- verbs ------------------------------------------------------------------------------------------------------------------------

install_missing
need_sdk
case "$verb" in
  conform)
    # Nothing changed since the command was built: start it at once. The command's own output is the only output.
    if [ ! -x artifacts/driverlab ] || [ "$(cat artifacts/command.stamp 2>/dev/null)" != "$(build/stamp.sh command)" ]; then cake Command >&2; fi
    exec artifacts/driverlab conform ${arguments[@]+"${arguments[@]}"} ;;
  test|long)
    rm -f artifacts/test-counts
    status=0
    cake "${verb^}" || status=$?
    if [ -s artifacts/test-counts ]; then cat artifacts/test-counts; elif [ "$status" = 0 ]; then say "no test was counted"; status=70; fi
    exit "$status" ;;
  *) cake "${verb^}" ;;
esac
