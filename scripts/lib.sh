# Sourced by the scripts beside it: where we are, how we speak, how we fail.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PYTHON="${PYTHON:-python3}"

# Sections carry the seconds since the first script's start, so that a slow step shows itself.
export TURNOUT_BEGAN="${TURNOUT_BEGAN:-$(date +%s)}"
say() {
    local bold="" plain=""
    if [ -t 1 ]; then bold=$'\033[1m' plain=$'\033[0m'; fi
    printf '%s[%3ds] %s%s\n' "$bold" "$(($(date +%s) - TURNOUT_BEGAN))" "$*" "$plain"
}
fail() { printf 'turnout: %s\n' "$*" >&2; exit 1; }

# rustup puts cargo where a non-login shell does not look.
if ! command -v cargo > /dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
    PATH="$HOME/.cargo/bin:$PATH"
fi

# The default interpreter owns .venv; another one named by PYTHON gets .venv-3.12 and so on.
venv_of() {
    if [ "$1" = python3 ]; then
        echo .venv
    else
        echo ".venv-$("$1" -c 'import sys; print("%d.%d%s" % (*sys.version_info[:2], getattr(sys, "abiflags", "")))')"
    fi
}

# What changes when other packages are wanted.
groups_digest() { sed -n '/^\[dependency-groups\]/,/^\[tool/p' pyproject.toml | sha256sum; }
