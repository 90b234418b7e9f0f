# What benches/input is made of; it sources this.

fail() {
    echo "benches/$(basename "$0"): $*" >&2
    exit 2
}

# How many cores this process may use.
cores() {
    if command -v nproc >/dev/null; then nproc; else getconf _NPROCESSORS_ONLN; fi
}

# Sets data and peers_data by $data.
find_data() {
    [ -n "$data" ] || fail "no data directory: give one, or set TRAINYARD_DATA"
    case $data in /*) ;; *) data=$start/$data ;; esac
    # The program looks below its data directory for the source's name; the peers want that directory itself.
    if [ -d "$data/cifar10/cifar-10-batches-bin" ]; then
        peers_data=$data/cifar10
    elif [ -d "$data/cifar-10-batches-bin" ]; then
        peers_data=$data
        case $data in */cifar10) data=${data%/cifar10} ;; esac
    else
        fail "no cifar-10-batches-bin in $data"
    fi
}

# Sets python to PEERS_PYTHON, or to one in benches/.venv, which is made if needed.
find_python() {
    python=${PEERS_PYTHON:-}
    case $python in /* | "") ;; */*) python=$start/$python ;; esac
    if [ -z "$python" ]; then
        python=benches/.venv/bin/python
        # The stamp is written last, so that an interrupted installation is finished the next time.
        if ! cmp -s benches/peers/requirements.txt benches/.venv/requirements.txt; then
            echo "making benches/.venv" >&2
            python3 -m venv benches/.venv
            "$python" -m pip install --quiet --requirement benches/peers/requirements.txt >&2
            cp benches/peers/requirements.txt benches/.venv/requirements.txt
        fi
    fi
}

processor() {
    if [ -r /proc/cpuinfo ]; then
        local model flags
        # By name the virtual machines of a cloud are all alike; what their processors can do tells them apart.
        model=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
        flags=$(grep -m 1 '^flags' /proc/cpuinfo | tr ' ' '\n' |
            grep -xE 'avx2|avx512f|avx512_bf16|amx_bf16' | paste -sd ' ' || true)
        echo "${model:-$(uname -m)}${flags:+ ($flags)}"
    else
        sysctl -n machdep.cpu.brand_string 2>/dev/null || uname -m
    fi
}

# The facts every table begins with; the arguments are the packages whose versions matter.
common_facts() {
    local commit versions
    commit=$(git rev-parse --short HEAD 2>/dev/null || echo none)
    [ -z "$(git status --porcelain 2>/dev/null)" ] || commit="$commit, with changes"
    versions=$("$python" - "$@" <<'TEXT'
import sys
from importlib.metadata import PackageNotFoundError, version

found = []
for name in sys.argv[1:]:
    try:
        found.append(f"{name} {version(name)}")
    except PackageNotFoundError:
        pass
print(", ".join(found))
TEXT
    )
    echo "- processor: $(processor)"
    echo "- threads: $threads"
    echo "- commit: $commit"
    [ -z "$versions" ] || echo "- peers: $versions"
}

# Makes the table of "$results" with the script $1, and puts it into $output, or else to stdout.
make_table() {
    if [ -n "$output" ]; then
        "$python" "$1" "$results" >"$results/table.md"
        cp "$results/table.md" "$output"
    else
        "$python" "$1" "$results"
    fi
}
