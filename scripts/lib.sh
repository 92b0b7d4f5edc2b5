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

# The default interpreter with the default Django owns .venv; others get .venv-3.13-django6.1 and so on.
venv_of() {
    if [ "$1" = python3 ] && [ -z "${DJANGO:-}" ]; then
        echo .venv
    else
        echo ".venv-$(python_version "$1")${DJANGO:+-django$DJANGO}"
    fi
}

# "3.12", or nothing: a name on the PATH may be a shim with nothing behind it.
python_version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null || true; }

# An interpreter of that version, on the PATH or where pyenv keeps them; or nothing.
find_python() {
    local candidate
    for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python3; do
        if [ "$(python_version "$candidate")" = "$1" ] && "$candidate" -c 'import ensurepip' 2> /dev/null; then
            echo "$candidate"
            return
        fi
    done
}

# What changes when other packages are wanted.
groups_digest() { sed -n '/^\[dependency-groups\]/,/^\[tool/p' pyproject.toml | sha256sum; }
