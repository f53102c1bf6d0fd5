"""The packages of peers: fetched from Debian, unpacked, never installed.

Debian's mail servers conflict with each other and start services when they are
installed. So the files of each are unpacked with `dpkg -x` below build/peers,
together with the shared libraries that this machine lacks, and run from there.
"""
import atexit
import fcntl
import functools
import os
import pathlib
import shutil
import subprocess
import tempfile

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("POSTRIDER_BUILD", REPOSITORY / "build")).resolve()
PEERS = pathlib.Path(os.environ.get("POSTRIDER_PEERS", BUILD / "peers")).resolve()

PACKAGES = {
    "postfix": ["postfix"],
    "exim": ["exim4-daemon-light", "libnss-wrapper"],
    "dovecot": ["dovecot-core", "dovecot-lmtpd"],
    "sasl": ["libsasl2-modules"],
    "nsd": ["nsd"],
    "krb5": ["krb5-kdc", "krb5-admin-server", "krb5-user", "gsasl"],
    "fetchmail": ["fetchmail"],
    "sendmail": ["sendmail-bin", "sendmail-cf", "m4", "libnss-wrapper"],
    "opensmtpd": ["opensmtpd"],
    "nodemailer": ["node-nodemailer"],
}


def run(*command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def installed(package):
    shown = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return shown.stdout.strip() == "installed"


def missing_libraries(packages):
    """The shared-library packages that these need and this machine lacks."""
    closure = run("apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests",
                  "--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances", *packages)
    names = {line.strip() for line in closure.splitlines() if line and line[0].isalpha()}
    libraries = {name for name in names if name.startswith("lib") and not name.endswith("-perl")}
    return sorted(name for name in libraries - set(packages) if not installed(name))


def download_and_unpack(packages, into):
    with tempfile.TemporaryDirectory(prefix="postrider-debs-") as place:
        os.chmod(place, 0o755)
        run("apt-get", "download", *packages, cwd=place)
        for deb in sorted(pathlib.Path(place).glob("*.deb")):
            run("dpkg", "-x", str(deb), str(into))


def open_to_all(path):
    """May every user enter this folder?"""
    return all(folder.stat().st_mode & 0o001 for folder in [path, *path.parents])


@functools.lru_cache(maxsize=None)
def unpacked(peer):
    """The folder with the peer's files, as they would stand under /. Peers run as
    users of their own: when those may not enter the build directory, a copy."""
    place = cached(peer)
    if os.geteuid() != 0 or open_to_all(place):
        return place
    copy = pathlib.Path(tempfile.mkdtemp(prefix=f"postrider-{peer}-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    os.chmod(copy, 0o755)
    shutil.copytree(place, copy / peer, symlinks=True)
    return copy / peer


def cached(peer):
    place = PEERS / peer
    PEERS.mkdir(parents=True, exist_ok=True)
    with open(PEERS / f"{peer}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / ".complete").exists():
            wanted = PACKAGES[peer] + missing_libraries(PACKAGES[peer])
            place.mkdir(exist_ok=True)
            download_and_unpack(wanted, place)
            (place / ".complete").write_text("\n".join(wanted) + "\n")
    return place


def library_path(root):
    """What LD_LIBRARY_PATH needs so that the unpacked programs find their libraries."""
    machine = run("dpkg-architecture", "-qDEB_HOST_MULTIARCH").strip() if os.path.exists(
        "/usr/bin/dpkg-architecture") else os.uname().machine + "-linux-gnu"
    folders = [f"usr/lib/{machine}", f"lib/{machine}", "usr/lib/postfix", "usr/lib/dovecot",
               "usr/lib/dovecot/modules", "usr/lib/dovecot/modules/old-stats"]
    return ":".join(str(root / folder) for folder in folders if (root / folder).is_dir())


if __name__ == "__main__":
    for peer in PACKAGES:
        print(unpacked(peer))
