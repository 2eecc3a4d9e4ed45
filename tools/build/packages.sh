# Read by tools/check and tools/demo: the Debian packages that they need, and their installation.
# shellcheck shell=bash
# shellcheck disable=SC2034 # the lists are for the script that reads this one

build_packages=(gcc libc6-dev meson ninja-build pkg-config python3 opencl-headers
    ocl-icd-opencl-dev libclblast-dev libpng-dev libjpeg-dev libarchive-dev zlib1g-dev libjansson-dev
    libxxhash-dev)
run_packages=(pocl-opencl-icd)
test_packages=(libcmocka-dev clang libclang-rt-dev oclgrind)

# Those of the named packages that dpkg does not have.
missing_packages() {
    local name
    for name in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] ||
            echo "$name"
    done
}

# Where Debian's release has no such package, clang's run-time comes with clang itself.
known_packages() {
    local name
    for name in "$@"; do
        if [ "$name" != libclang-rt-dev ] || apt-cache show "$name" >/dev/null 2>&1; then
            echo "$name"
        fi
    done
}

# install_packages SCRIPT INSTEAD PACKAGE...: installs what is missing.  Without apt-get it names all
# and says what to do INSTEAD; without root and sudo it names those that are missing.  Messages begin
# with the script's name.  A function run_apt, where the script has one, runs the commands.
install_packages() {
    local script=$1 instead=$2 missing as_root=()
    shift 2
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "$script: this system has no apt-get.  Install what these Debian packages hold," \
            "then $instead:" >&2
        printf '  %s\n' "$@" >&2
        return 1
    fi
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "$script: these packages are missing, and there is neither root nor sudo:" >&2
            printf '  %s\n' "${missing[@]}" >&2
            return 1
        fi
        sudo -v || return 1
        as_root=(sudo)
    fi
    echo "$script: installing ${missing[*]}"
    as_root+=(env DEBIAN_FRONTEND=noninteractive)
    run_apt "${as_root[@]}" apt-get update -qq || return 1
    mapfile -t missing < <(known_packages "${missing[@]}")
    [ ${#missing[@]} -eq 0 ] && return 0
    run_apt "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# Without a word about each package.
run_apt() {
    "$@" >/dev/null
}
