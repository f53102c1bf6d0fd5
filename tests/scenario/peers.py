"""Real mail and name servers on loopback: Postfix, Exim, Dovecot, nsd.

Each is made in a folder of its own, starts with a configuration written here,
and is stopped by its pid. Their users are such as every Debian has, or the
caller; nothing outside their folders is written.
"""
import grp
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import debs
from ports import banner, connects, free_port, wait_until
from process import Process

ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody").pw_uid


def may_sudo():
    if ROOT or not shutil.which("sudo"):
        return ROOT
    return subprocess.run(["sudo", "-n", "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def me():
    return pwd.getpwuid(os.geteuid()).pw_name


def my_group():
    return grp.getgrgid(os.getegid()).gr_name


class Peer:
    """What all of them share. `root`: the unpacked package; `place`: its own folder."""
    package = ""
    ready_banner = b"220"

    def __init__(self, place):
        self.root = debs.unpacked(self.package)
        self.place = pathlib.Path(place)
        self.place.mkdir(parents=True, exist_ok=True)
        os.chmod(self.place, 0o755)
        self.port = free_port()
        self.process = None
        self.env = {"LD_LIBRARY_PATH": debs.library_path(self.root), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

    def path(self, *parts):
        return self.place.joinpath(*parts)

    def program(self, name):
        return self.root / name

    def configure(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def ready(self):
        return banner(self.port).startswith(self.ready_banner)

    def start(self):
        self.configure()
        self.process = self.launch()
        wait_until(lambda: self.ready() or not self.process.alive(), 20,
                   f"{self.package} answers on port {self.port}\n{self.process.log()}")
        if not self.process.alive():
            raise AssertionError(f"{self.package} did not start:\n{self.process.log()}")
        return self

    def launch(self):
        return Process(self.command(), self.path("output"), env=self.env)

    def stop(self):
        if self.process and self.process.alive():
            self.process.stop()
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class Postfix(Peer):
    """Takes mail on `port`. What it does with each domain is a line of `transports`:
    {"example.org": "smtp:[127.0.0.1]:2525"}, "discard:", or "virtual:" into Maildirs
    PLACE/mail/USER@DOMAIN/ (domains in `mailboxes`). All others: `default`."""
    package = "postfix"
    owner, setgid_group = "uucp", "news"
    mail_uid = NOBODY if ROOT else os.geteuid()     # whose the mailboxes are

    def __init__(self, place, transports=None, mailboxes=(), default="error:5.1.2 no route", settings=None):
        super().__init__(place)
        self.transports = dict(transports or {})
        self.mailboxes = list(mailboxes)
        self.default = default
        self.settings = dict(settings or {})
        self.log_file = self.path("log")

    def main_cf(self):
        settings = {
            "compatibility_level": "3.6",
            "queue_directory": self.path("queue"),
            "data_directory": self.path("data"),
            "command_directory": self.program("usr/sbin"),
            "daemon_directory": self.program("usr/lib/postfix/sbin"),
            "shlib_directory": self.program("usr/lib/postfix"),
            "meta_directory": self.path("conf"),
            "import_environment": "MAIL_CONFIG LD_LIBRARY_PATH PATH",
            "export_environment": "LD_LIBRARY_PATH PATH",
            "mail_owner": self.owner, "setgid_group": self.setgid_group, "default_privs": "nobody",
            "maillog_file": self.log_file, "maillog_file_prefixes": self.place,
            "myhostname": "postfix.test", "mydestination": "", "mynetworks": "127.0.0.0/8",
            "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4",
            "alias_maps": "", "alias_database": "", "local_recipient_maps": "",
            "smtp_host_lookup": "native", "smtp_tls_security_level": "none",
            "smtpd_relay_restrictions": "permit_mynetworks,reject", "smtpd_recipient_restrictions": "",
            "transport_maps": self.inline(self.transports),
            "virtual_mailbox_domains": " ".join(self.mailboxes),
            "virtual_mailbox_base": self.path("mail"),
            "virtual_mailbox_maps": self.mailbox_maps(),
            "virtual_uid_maps": f"static:{self.mail_uid}", "virtual_gid_maps": f"static:{self.mail_uid}",
            "default_transport": self.default, "relay_domains": "",
            "minimal_backoff_time": "1s", "maximal_backoff_time": "2s", "queue_run_delay": "1s",
            "message_size_limit": 60_000_000, "mailbox_size_limit": 0, "virtual_mailbox_limit": 0,
            "smtpd_peername_lookup": "no", "biff": "no",
        }
        settings.update(self.settings)
        return "".join(f"{name} = {value}\n" for name, value in settings.items())

    def inline(self, table):
        if not table:
            return ""
        return "inline:{ " + ", ".join(f"{{ {k} = {v} }}" for k, v in table.items()) + " }"

    def mailbox_maps(self):
        users = getattr(self, "users", ("alice", "bob", "carol"))
        return self.inline({f"{user}@{domain}": f"{user}@{domain}/" for domain in self.mailboxes for user in users})

    def master_cf(self):
        rows = [(f"127.0.0.1:{self.port}", "inet", "smtpd")]
        rows += [("cleanup", "unix", "cleanup"), ("qmgr", "unix", "qmgr"), ("rewrite", "unix", "trivial-rewrite"),
                 ("bounce", "unix", "bounce"), ("defer", "unix", "bounce"), ("trace", "unix", "bounce"),
                 ("verify", "unix", "verify"), ("smtp", "unix", "smtp"), ("relay", "unix", "smtp"),
                 ("lmtp", "unix", "lmtp"), ("error", "unix", "error"), ("retry", "unix", "error"),
                 ("discard", "unix", "discard"), ("virtual", "unix", "virtual"), ("anvil", "unix", "anvil"),
                 ("proxymap", "unix", "proxymap"), ("scache", "unix", "scache"), ("flush", "unix", "flush"),
                 ("showq", "unix", "showq"), ("tlsmgr", "unix", "tlsmgr"), ("postlog", "unix-dgram", "postlogd")]
        single = {"qmgr", "tlsmgr", "verify", "anvil", "scache", "postlog"}
        private = {"smtpd": "n", "cleanup": "n", "qmgr": "n", "flush": "n", "showq": "n", "postlogd": "n"}
        lines = []
        for name, kind, program in rows:
            needs_root = "n" if program == "virtual" else "-"
            wakeup = "300" if name == "qmgr" else "-"
            limit = "1" if name in single else "0" if name in ("bounce", "defer", "trace", "cleanup") else "-"
            lines.append(f"{name} {kind} {private.get(program, '-')} {needs_root} n {wakeup} {limit} {program}\n")
        return "".join(lines)

    def configure(self):
        if not may_sudo():
            raise PermissionError("Postfix's master must be started by root, and sudo asks for a password")
        for name in ("conf", "queue", "data", "mail"):
            self.path(name).mkdir(exist_ok=True)
        self.path("conf/main.cf").write_text(self.main_cf())
        self.path("conf/master.cf").write_text(self.master_cf())
        for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private",
                     "maildrop", "public", "saved", "trace", "pid"):
            self.path("queue", name).mkdir(mode=0o700, exist_ok=True)
        self.own(self.owner, "data", *[f"queue/{n}" for n in (
            "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved",
            "trace", "maildrop", "public")])
        self.own("root", "queue", "queue/pid", "conf", "conf/main.cf", "conf/master.cf")
        self.own(str(self.mail_uid), "mail")
        for name, mode in (("queue/maildrop", "1730"), ("queue/public", "2710")):
            self.as_root("chgrp", self.setgid_group, self.path(name))
            self.as_root("chmod", mode, self.path(name))
        self.as_root("chmod", "755", self.path("queue/pid"))

    def as_root(self, *command):
        debs.run(*([] if ROOT else ["sudo", "-n"]), *[str(word) for word in command])

    def own(self, user, *names):
        self.as_root("chown", user, *[self.path(name) for name in names])

    def command(self):
        return [self.program("usr/lib/postfix/sbin/master"), "-d", "-c", self.path("conf")]

    def launch(self):
        self.env["MAIL_CONFIG"] = str(self.path("conf"))
        return Process(self.command(), self.path("output"), env=self.env, sudo=True)

    def stop(self):
        if self.process:
            self.process.stop()
            self.process.kill_session()
            if not ROOT:        # so that the caller can read and remove what is left
                self.as_root("chown", "-R", me(), self.place)
        self.process = None

    def log(self):
        if not self.log_file.exists():
            return self.process.log()
        if not os.access(self.log_file, os.R_OK):
            return debs.run("sudo", "-n", "cat", str(self.log_file))
        return self.log_file.read_text(errors="replace")


class Exim(Peer):
    """Takes mail on `port`; `routes`: {"example.org": port of the next host on loopback};
    domains in `mailboxes` go to Maildirs PLACE/mail/USER@DOMAIN/."""
    package = "exim"
    uid = 10001 if ROOT else os.geteuid()

    def __init__(self, place, routes=None, mailboxes=()):
        super().__init__(place)
        self.routes = dict(routes or {})
        self.mailboxes = list(mailboxes)

    def wrapper(self):
        """Debian's binary wants its user to exist: a list of users just for it."""
        self.path("passwd").write_text(
            f"root:x:0:0::/:/bin/sh\nDebian-exim:x:{self.uid}:{self.uid}::{self.place}:/bin/sh\n")
        self.path("group").write_text(f"root:x:0:\nDebian-exim:x:{self.uid}:\n")
        library = next(self.root.glob("usr/lib/*/libnss_wrapper.so"))
        self.env.update(LD_PRELOAD=str(library), NSS_WRAPPER_PASSWD=str(self.path("passwd")),
                        NSS_WRAPPER_GROUP=str(self.path("group")))

    def configuration(self):
        routers, transports = [], []
        for number, (domain, port) in enumerate(self.routes.items()):
            routers.append(f"route{number}:\n  driver = manualroute\n  domains = {domain}\n"
                           f"  route_list = * 127.0.0.1 byname\n  self = send\n  transport = to{number}\n")
            transports.append(f"to{number}:\n  driver = smtp\n  port = {port}\n  allow_localhost\n"
                              "  hosts_avoid_tls = *\n")
        if self.mailboxes:
            routers.append("mailboxes:\n  driver = accept\n  domains = +mailboxes\n"
                           "  local_parts = alice : bob : carol\n  transport = maildir\n")
            transports.append(f"maildir:\n  driver = appendfile\n  maildir_format\n"
                              f"  directory = {self.path('mail')}/${{lookup{{$local_part@$domain}}lsearch{{{self.path('users')}}}}}\n  create_directory\n"
                              "  delivery_date_add\n  envelope_to_add\n  return_path_add\n"
                              f"  user = {self.uid}\n  group = {self.uid}\n")
        domains = " : ".join([*self.routes, *self.mailboxes])
        return (f"primary_hostname = exim.test\nspool_directory = {self.path('spool')}\n"
                f"log_file_path = {self.path('log')}/%s\nexim_path = {self.program('usr/sbin/exim4')}\n"
                f"keep_environment = LD_LIBRARY_PATH:LD_PRELOAD:NSS_WRAPPER_PASSWD:NSS_WRAPPER_GROUP\n"
                f"add_environment = PATH=/usr/bin:/bin\ndeliver_drop_privilege\n"
                f"domainlist ours = {domains}\ndomainlist mailboxes = {' : '.join(self.mailboxes)}\n"
                "acl_smtp_rcpt = rcpt\nacl_smtp_data = data\ntls_advertise_hosts =\nhost_lookup =\n"
                "rfc1413_query_timeout = 0s\nmessage_size_limit = 60M\nsmtp_accept_max = 100\n"
                "smtp_accept_max_per_connection = 100000\nsmtp_accept_queue_per_connection = 0\n"
                "begin acl\nrcpt:\n  require message = relay not permitted\n    domains = +ours\n"
                "  accept verify = recipient\n  deny message = unknown user\ndata:\n  accept\n"
                "begin routers\n" + "".join(routers) + "begin transports\n" + "".join(transports) +
                "begin retry\n* * F,10m,1s\n")

    def configure(self):
        self.wrapper()
        self.path("users").write_text("".join(
            f"{user}@{domain}: {user}@{domain}\n" for domain in self.mailboxes for user in ("alice", "bob", "carol")))
        for name in ("spool", "mail", "log"):
            self.path(name).mkdir(exist_ok=True)
            os.chown(self.path(name), self.uid, self.uid)
        self.path("exim.conf").write_text(self.configuration())
        binary = self.program("usr/sbin/exim4")
        if binary.stat().st_mode & 0o6000:
            binary.chmod(0o755)

    def command(self):
        return [self.program("usr/sbin/exim4"), "-C", self.path("exim.conf"), "-bdf", "-q1s",
                "-oX", f"127.0.0.1.{self.port}", "-oP", self.path("spool/pid")]

    def launch(self):
        who = {"user": self.uid, "group": self.uid, "extra_groups": []} if ROOT else {}
        return Process(self.command(), self.path("output"), env=self.env, cwd="/", **who)

    def log(self):
        return "".join(p.read_text(errors="replace") for p in sorted(self.path("log").iterdir())) + self.process.log()


SENDMAIL = """
define(`confDOMAIN_NAME', `sendmail.test')
OSTYPE(`linux')
define(`QUEUE_DIR', `PLACE/queue')
define(`confPID_FILE', `PLACE/pid')
define(`STATUS_FILE', `PLACE/statistics')
define(`ALIAS_FILE', `')
define(`confDELIVERY_MODE', `queueonly')
define(`confTO_IDENT', `0')
define(`confPRIVACY_FLAGS', `')
define(`confDONT_BLAME_SENDMAIL', `GroupWritableDirPathSafe')
FEATURE(`nocanonify')
FEATURE(`accept_unresolvable_domains')
FEATURE(`accept_unqualified_senders')
DAEMON_OPTIONS(`Name=MTA, Family=inet, Addr=127.0.0.1, Port=PORT')
MAILER(`local')
MAILER(`smtp')
LOCAL_CONFIG
CwDOMAIN
"""


class Sendmail(Peer):
    """Takes mail for root@`domain` on `port`, and keeps it in its queue: see `queue`. Must be
    started by root."""
    package = "sendmail"

    def __init__(self, place, domain):
        super().__init__(place)
        self.domain = domain

    def configure(self):
        for name in ("queue",):
            self.path(name).mkdir(mode=0o700, exist_ok=True)
        self.path("hosts").write_text("127.0.0.1 sendmail.test sendmail localhost\n")
        self.path("sendmail.mc").write_text(self.macros())
        library = self.root / "usr/share/sendmail/cf"
        made = subprocess.run([str(self.program("usr/bin/m4")), "-I", str(library), str(library / "m4/cf.m4"),
                               str(self.path("sendmail.mc"))], stdout=subprocess.PIPE, check=True, env=self.env)
        self.path("sendmail.cf").write_bytes(made.stdout)
        wrapper = next(self.root.glob("usr/lib/*/libnss_wrapper.so"))
        self.env.update(LD_PRELOAD=str(wrapper), NSS_WRAPPER_HOSTNAME="sendmail.test",
                        NSS_WRAPPER_HOSTS=str(self.path("hosts")))
        self.program("usr/libexec/sendmail/sendmail").chmod(0o755)     # not for a group: it is not installed

    def macros(self):
        return (SENDMAIL.replace("PLACE", str(self.place)).replace("PORT", str(self.port))
                .replace("DOMAIN", self.domain))

    def command(self):
        return [self.program("usr/libexec/sendmail/sendmail"), f"-C{self.path('sendmail.cf')}", "-bD"]

    def queue(self):
        """[(its file of the envelope, the body)]"""
        return [(path.read_text(errors="replace"), path.with_name("d" + path.name[1:]).read_bytes())
                for path in sorted(self.path("queue").glob("qf*"))]


class Dovecot(Peer):
    """Takes mail by LMTP, on `port` and on the socket `socket`, for these users of
    any domain; it lands in PLACE/mail/USER/."""
    package = "dovecot"

    def __init__(self, place, users=("alice", "bob", "carol")):
        super().__init__(place)
        self.users = users
        self.socket = self.path("lmtp")
        self.owner = ("nobody", grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name) if ROOT else (me(), my_group())

    def configuration(self):
        user, group = self.owner
        internal = ("uucp", "uucp") if ROOT else self.owner
        return f"""
base_dir = {self.path('run')}
state_dir = {self.path('state')}
libexec_dir = {self.program('usr/lib/dovecot')}
mail_plugin_dir = {self.program('usr/lib/dovecot/modules')}
import_environment = LD_LIBRARY_PATH
default_internal_user = {internal[0]}
default_internal_group = {internal[1]}
default_login_user = {user}
log_path = {self.path('log')}
protocols = lmtp
ssl = no
first_valid_uid = 1
first_valid_gid = 0
mail_location = maildir:{self.path('mail')}/%n
auth_username_format = %Ln
lmtp_save_to_detail_mailbox = no
postmaster_address = postmaster@dovecot.test
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = passwd-file
  args = username_format=%n {self.path('users')}
}}
service lmtp {{
  unix_listener {self.socket} {{
    mode = 0666
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.port}
  }}
}}
service auth {{
  user = {internal[0]}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-urlauth-login {{
  chroot =
}}
"""

    def configure(self):
        for name in ("run", "state", "mail"):
            self.path(name).mkdir(exist_ok=True)
        owner = pwd.getpwnam(self.owner[0])
        if ROOT:
            os.chown(self.path("mail"), owner.pw_uid, owner.pw_gid)
        rows = [f"{user}:{{plain}}x:{owner.pw_uid}:{owner.pw_gid}::{self.path('mail')}/{user}::\n" for user in self.users]
        self.path("users").write_text("".join(rows))
        self.move_modules()
        self.path("dovecot.conf").write_text(self.configuration())

    def move_modules(self):
        """Its library looks for modules under /usr/lib/dovecot, whatever is configured:
        a copy of the library, with a short name of ours in the place of that one."""
        compiled_in = b"/usr/lib/dovecot/modules"
        self.short = tempfile.mkdtemp(prefix="pr", dir="/tmp")
        os.chmod(self.short, 0o755)
        ours = f"{self.short}/m".encode()
        os.symlink(self.program("usr/lib/dovecot/modules"), ours)
        library = self.program("usr/lib/dovecot/libdovecot.so.0").read_bytes()
        self.path("lib").mkdir(exist_ok=True)
        self.path("lib/libdovecot.so.0").write_bytes(
            library.replace(compiled_in + b"\0", ours.ljust(len(compiled_in), b"\0") + b"\0"))
        self.env["LD_LIBRARY_PATH"] = f"{self.path('lib')}:{debs.library_path(self.root)}"

    def stop(self):
        super().stop()
        shutil.rmtree(self.short, ignore_errors=True)

    def command(self):
        """dovecot would start /usr/bin/doveconf to read its configuration, so we start ours."""
        file = self.path("dovecot.conf")
        return [self.program("usr/bin/doveconf"), "-f", "service=master", "-c", file, "-m", "master",
                "-e", self.program("usr/sbin/dovecot"), "-F", "-c", file]

    def log(self):
        file = self.path("log")
        return (file.read_text(errors="replace") if file.exists() else "") + self.process.log()


class Nsd(Peer):
    """Answers for `zones`: {"test": text of the zone file}. A zone with None as its
    text has no file: nsd answers SERVFAIL for it."""
    package = "nsd"

    def __init__(self, place, zones):
        super().__init__(place)
        self.zones = dict(zones)
        self.port = free_port("127.0.0.1")

    def configure(self):
        parts = [f"""server:
  ip-address: 127.0.0.1@{self.port}
  username: ""
  chroot: ""
  zonesdir: "{self.place}"
  database: ""
  pidfile: "{self.path('pid')}"
  xfrdfile: "{self.path('xfrd')}"
  xfrdir: "{self.place}"
  zonelistfile: "{self.path('zonelist')}"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
"""]
        for name, text in self.zones.items():
            file = self.path(f"zone.{name}")
            if text is not None:
                file.write_text(f"$ORIGIN {name}.\n$TTL 1\n@ SOA ns.{name}. root.{name}. 1 60 60 60 1\n@ NS ns.{name}.\n"
                                f"ns A 127.0.0.1\n{text}\n")
            parts.append(f'zone:\n  name: "{name}"\n  zonefile: "{file}"\n')
        self.path("nsd.conf").write_text("".join(parts))

    def command(self):
        return [self.program("usr/sbin/nsd"), "-d", "-c", self.path("nsd.conf")]

    def ready(self):
        return connects("127.0.0.1", self.port)


def postfix_tool(name):
    """The command line of a program from Postfix's package: smtp-source, smtp-sink."""
    root = debs.unpacked("postfix")
    return ["env", f"LD_LIBRARY_PATH={debs.library_path(root)}", str(root / "usr/sbin" / name)]
