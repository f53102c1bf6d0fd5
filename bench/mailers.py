"""Exim, sendmail, OpenSMTPD and Haraka at the works of bench/compare.

Each is configured for speed as its documentation says, with its syncs and its
log on. What one cannot do (a verb, Maildirs) it `lacks`.
"""
import fcntl
import json
import os
import pathlib
import re
import shutil
import subprocess

import debs
import peers
from ports import banner, free_port, wait_until
from process import Process
from servers import DOMAIN, MAILBOXES, Contestant, Unpacked, files_below, first_line, package_version


TLS = ("accept-tls", "handshake-p256", "handshake-rsa", "idle-tls")


class FastExim(peers.Exim):
    """Many connections, a backlog, a spool of several folders; no checks of others' hosts."""

    def __init__(self, place, job):
        super().__init__(place)
        self.job = job

    def configuration(self):
        job, env = self.job, "LD_LIBRARY_PATH:LD_PRELOAD:NSS_WRAPPER_PASSWD:NSS_WRAPPER_GROUP:SLOWDISK_MS"
        tls = (f"tls_advertise_hosts = *\ntls_certificate = {job.tls[0]}\ntls_privatekey = {self.key()}\n" if job.tls
               else "tls_advertise_hosts =\n")
        return (f"primary_hostname = exim.test\nspool_directory = {self.path('spool')}\n"
                f"log_file_path = {self.path('log')}/%s\nexim_path = {self.program('usr/sbin/exim4')}\n"
                f"keep_environment = {env}\nadd_environment = PATH=/usr/bin:/bin\ndeliver_drop_privilege\n{tls}"
                f"queue_only = {'true' if job.does == 'hold' else 'false'}\nsplit_spool_directory\nhost_lookup =\n"
                f"rfc1413_query_timeout = 0s\nmessage_size_limit = 60M\nsmtp_accept_max = {job.sessions + 500}\n"
                "smtp_connect_backlog = 1024\nsmtp_accept_max_per_connection = 1000000\n"
                "smtp_accept_queue_per_connection = 0\nacl_smtp_rcpt = accept\nacl_smtp_data = accept\n"
                f"begin routers\n{self.router()}begin retry\n* * F,10m,1s\n")

    def key(self):
        """It reads its key as the user that it is."""
        copy = self.path("key.pem")
        shutil.copy(self.job.tls[1], copy)
        os.chown(copy, self.uid, self.uid)
        return copy

    def router(self):
        if self.job.does != "maildir":
            return (f"out:\n  driver = manualroute\n  route_list = * 127.0.0.1 byname\n  self = send\n  transport = out\n"
                    f"begin transports\nout:\n  driver = smtp\n  port = {self.job.sink or 9}\n  allow_localhost\n"
                    "  hosts_avoid_tls = *\n")
        return (f"in:\n  driver = accept\n  local_parts = lsearch;{self.path('users')}\n  transport = in\n"
                f"begin transports\nin:\n  driver = appendfile\n  maildir_format\n  directory = {self.path('mail')}/$local_part_data\n"
                f"  create_directory\n  user = {self.uid}\n  group = {self.uid}\n")

    def configure(self):
        super().configure()
        self.path("users").write_text("".join(f"user{n}: yes\n" for n in range(MAILBOXES)))

    def command(self):
        words = super().command()
        runner = [] if self.job.does == "hold" else ["-q5s"]
        return [word for word in words if word != "-q1s"] + runner


class Exim(Unpacked):
    name, title, package = "exim", "Exim", "exim"

    def make(self):
        peer = FastExim(self.place / "home", self.job)
        self.mail = peer.path("mail")
        return peer

    def queued(self):
        return files_below(self.peer.path("spool/input"), pattern="*-H")


MACROS = """
define(`confDOMAIN_NAME', `sendmail.test')
OSTYPE(`linux')
define(`QUEUE_DIR', `PLACE/queue')
define(`confPID_FILE', `PLACE/pid')
define(`STATUS_FILE', `PLACE/statistics')
define(`ALIAS_FILE', `')
define(`confDELIVERY_MODE', `HOW')
define(`confTO_IDENT', `0')
define(`confPRIVACY_FLAGS', `')
define(`confQUEUE_LA', `1000')
define(`confREFUSE_LA', `1000')
define(`confMAX_MESSAGE_SIZE', `60000000')
define(`confDONT_BLAME_SENDMAIL', `GroupWritableDirPathSafe,TrustStickyBit')
define(`confDONT_PROBE_INTERFACES', `true')
define(`SMART_HOST', `[127.0.0.1]')
define(`RELAY_MAILER_ARGS', `TCP $h SINK')
TLS
FEATURE(`nocanonify')
RELAY_DOMAIN(`bench.test')
FEATURE(`accept_unresolvable_domains')
FEATURE(`accept_unqualified_senders')
DAEMON_OPTIONS(`Name=MTA, Family=inet, Addr=127.0.0.1, Port=PORT, Listen=1024')
MAILER(`local')
MAILER(`smtp')
"""


class FastSendmail(peers.Sendmail):
    def __init__(self, place, job):
        super().__init__(place, DOMAIN)
        self.job = job

    def macros(self):
        tls = "".join(f"define(`{name}', `{path}')\n" for name, path in
                      zip(("confSERVER_CERT", "confSERVER_KEY"), self.job.tls))
        mode = "queueonly" if self.job.does == "hold" else "background"
        return (MACROS.replace("PLACE", str(self.place)).replace("PORT", str(self.port)).replace("`HOW'", f"`{mode}'")
                .replace("SINK", str(self.job.sink or 9)).replace("TLS\n", tls))


class Sendmail(Unpacked):
    name, title, package = "sendmail", "sendmail", "sendmail"
    lacks = ("bdat", "maildir", *TLS)       # in the foreground it begins without STARTTLS

    def make(self):
        return FastSendmail(self.place / "home", self.job)

    def queued(self):
        return files_below(self.peer.path("queue"), pattern="qf*")


SMTPD = """
{pki}
smtp max-message-size "60M"
smtp limit max-mails 1000000
listen on 127.0.0.1 port {port}{tls}
action "do" {action}
match from any for any action "do"
"""


class OpenSMTPD(Contestant):
    """Its paths and users are compiled in: it runs in a root directory of its own, this
    system's files with the package laid over them, in a mount namespace of its own.

    It listens with a backlog of 5 and answers in vain those who come in a greater crowd:
    they wait for its greeting until they give up. So it has 5 sessions."""
    name, title, package = "opensmtpd", "OpenSMTPD (5 sessions)", "opensmtpd"
    sessions = 5
    lacks = ("bdat", "idle", *TLS)      # linked with OpenSSL 3 its private key, in a process of its own, fails
    FOLDERS = (("var/spool/smtpd", 0o711, 0), ("var/spool/smtpd/incoming", 0o700, "q"), ("var/spool/smtpd/offline", 0o770, 0),
               ("var/spool/smtpd/purge", 0o700, "q"), ("var/spool/smtpd/queue", 0o700, "q"),
               ("var/spool/smtpd/temporary", 0o700, "q"), ("var/spool/smtpd/corrupt", 0o700, "q"),
               ("var/lib/opensmtpd/empty", 0o755, 0), ("run", 0o755, 0), ("var/empty", 0o755, 0))
    USERS = {"opensmtpd": 10011, "opensmtpq": 10012, "benchmail": 10013}

    def __init__(self, place, job):
        super().__init__(place, job)
        self.port = free_port()
        self.upper, self.root = self.place / "upper", self.place / "root"
        self.spool = self.place / "spool"       # not in the overlay, which would be another file system

    def configuration(self):
        job, pki = self.job, ""
        if job.tls:
            pki = f'pki "bench" cert "{self.place}/certificate"\npki "bench" key "{self.place}/key"'
        action = (f'maildir "{self.mail}/%{{rcpt.user}}" virtual {{ "@" = benchmail }}' if job.does == "maildir"
                  else f'relay host "smtp://127.0.0.1:{job.sink or 9}"')
        return SMTPD.format(pki=pki, port=self.port, tls=' tls pki "bench"' if job.tls else "", action=action)

    def lay_over(self):
        shutil.copytree(debs.unpacked(self.package), self.upper, symlinks=True, ignore=shutil.ignore_patterns(".complete"))
        for name in ("lib", "sbin", "bin"):         # links to those below usr/, which must stay
            if (self.upper / name).is_dir():
                shutil.copytree(self.upper / name, self.upper / "usr" / name, symlinks=True, dirs_exist_ok=True)
                shutil.rmtree(self.upper / name)
        for name, mode, owner in self.FOLDERS:
            inside = name.removeprefix("var/spool/smtpd")
            folder = self.upper / name if inside == name else self.spool / inside.lstrip("/")
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)
            os.chown(folder, self.USERS["opensmtpq"] if owner == "q" else 0, 0)
        (self.upper / "var/spool/smtpd").mkdir(parents=True, exist_ok=True)
        accounts = {"passwd": "{0}:x:{1}:{1}::/var/empty:/bin/false\n", "group": "{0}:x:{1}:\n"}
        for name, line in accounts.items():
            text = pathlib.Path("/etc", name).read_text() + "".join(line.format(*user) for user in self.USERS.items())
            (self.upper / "etc").mkdir(exist_ok=True)
            (self.upper / "etc" / name).write_text(text)
        os.chown(self.spool / "offline", 0, self.USERS["opensmtpq"])
        control = self.upper / "usr/sbin/smtpctl"       # wants to be setgid, even for root
        os.chown(control, 0, self.USERS["opensmtpq"])
        control.chmod(0o2755)
        (self.upper / "etc/smtpd.conf").write_text(self.configuration())

    def launch(self):
        self.lay_over()
        self.root.mkdir()
        self.mail.mkdir()
        os.chown(self.mail, self.USERS["benchmail"], 0)
        for number, name in enumerate(("certificate", "key")[:len(self.job.tls)]):
            shutil.copy(self.job.tls[number], self.place / name)
            (self.place / name).chmod(0o600)
        script = self.place / "start"
        script.write_text(self.script())
        library = debs.library_path(debs.unpacked(self.package))
        self.env = {"LD_LIBRARY_PATH": library, **self.job.environment()}
        self.process = Process(["unshare", "-m", "sh", "-e", script], self.place / "output", env=self.env)
        wait_until(lambda: banner(self.port).startswith(b"220") or not self.process.alive(), 20, "OpenSMTPD answers")
        assert self.process.alive(), self.process.log()
        if self.job.does == "hold":
            self.control("pause", "mta")

    def script(self):
        """The preloaded library is for the server alone, so it is named again inside."""
        root = self.root
        binds = "".join(f"mount --rbind {name} {root}{name}\n" for name in ("/proc", "/dev", str(self.place.parent.parent)))
        return (f"mount --make-rprivate /\nmkdir {self.place}/work\n"
                f"mount -t overlay overlay -o lowerdir=/,upperdir={self.upper},workdir={self.place}/work {root}\n"
                f"mkdir -p {root}{self.place.parent.parent}\n{binds}"
                f"mount --bind {self.spool} {root}/var/spool/smtpd\n"
                f"mount -t tmpfs tmpfs {root}/run\nexec chroot {root} /usr/sbin/smtpd -d -f /etc/smtpd.conf\n")

    def control(self, *words):
        return subprocess.run(["nsenter", "-m", "-t", str(self.process.pid), "chroot", str(self.root), "/usr/sbin/smtpctl", *words],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={**os.environ, "LD_LIBRARY_PATH": self.env["LD_LIBRARY_PATH"]}, check=True).stdout

    def halt(self):
        self.process.stop()

    def root_pid(self):
        return self.process.pid

    def queued(self):
        """A message has a folder named by eight digits, with its text and an envelope for each recipient."""
        return files_below(self.spool / "queue", pattern="message")

    @classmethod
    def version(cls):
        return package_version(cls.package)


PACKAGE_JSON = {"private": True, "dependencies": {"haraka": "3.3.0"},
                "overrides": {"encoding-japanese": "2.2.0", "libqp": "2.1.2"}}      # versions that mirrors have, too

# Takes mail for everyone, and says where it goes.
PLUGIN = """
exports.hook_connect = (next, connection) => { connection.relaying = true; next() }
exports.hook_rcpt = (next) => next(OK)
exports.hook_get_mx = (next) => next(OK, { exchange: '127.0.0.1', port: SINK, priority: 0 })
"""


def haraka():
    """The folder with it and what it needs, fetched by npm once."""
    place = debs.PEERS / "haraka"
    with open(debs.PEERS / "haraka.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / ".complete").exists():
            place.mkdir(exist_ok=True)
            (place / "package.json").write_text(json.dumps(PACKAGE_JSON))
            debs.run("npm", "install", "--omit=dev", "--omit=optional", "--no-audit", "--no-fund", "--ignore-scripts", cwd=place)
            (place / ".complete").touch()
    return place / "node_modules/haraka"


class Haraka(Contestant):
    """A process for each core. It has its own queue, and one for each message: files."""
    name, title = "haraka", "Haraka"
    lacks = ("bdat", "maildir")

    def __init__(self, place, job):
        super().__init__(place, job)
        self.port = free_port()

    def configure(self):
        job, config = self.job, self.place / "config"
        for name in ("config", "plugins", "queue"):
            (self.place / name).mkdir()
        files = {"me": "haraka.test", "tls.ini": "", "host_list": DOMAIN, "plugins": ("tls\n" if job.tls else "") + "bench\n",
                 "smtp.ini": f"listen=127.0.0.1:{self.port}\nnodes=cpus\n",
                 "connection.ini": self.connection_ini(), "log.ini": "[main]\nlevel=notice\n",
                 "outbound.ini": f"disabled={'true' if job.does == 'hold' else 'false'}\nlocal_mx_ok=true\nenable_tls=false\n"}
        for name, text in files.items():
            (config / name).write_text(text + "\n")
        for path, name in zip(job.tls, ("tls_cert.pem", "tls_key.pem")):
            shutil.copy(path, config / name)
        (self.place / "plugins/bench.js").write_text(PLUGIN.replace("SINK", str(job.sink or 9)))

    @staticmethod
    def connection_ini():
        """Its own, which it does not read where there is one, for larger messages."""
        text = (haraka() / "config/connection.ini").read_text()
        return re.sub(r"(?m)^bytes=.*$", "bytes=60000000", text)

    def launch(self):
        program = haraka() / "bin/haraka"
        self.configure()
        self.process = Process(["/usr/bin/node", program, "-c", self.place], self.place / "output", env=self.job.environment())
        wait_until(lambda: banner(self.port).startswith(b"220") or not self.process.alive(), 30, "Haraka answers")
        assert self.process.alive(), self.process.log()[-2000:]

    def halt(self):
        self.process.stop(5)

    def root_pid(self):
        return self.process.pid

    def queued(self):
        return sum(1 for path in (self.place / "queue").rglob("*") if path.is_file() and not path.name.startswith("."))

    @staticmethod
    def version():
        return f"haraka {PACKAGE_JSON['dependencies']['haraka']}, node {first_line(['/usr/bin/node', '--version'])}"


ALL = (Exim, Sendmail, OpenSMTPD, Haraka)
