/* settings.h - every setting of the configuration file, once.
 *
 * From these rows come the parser's options, the defaults, the checks, the
 * copy for other processes, `postrider config show` and the test that compares
 * the manual page. A setting that stands here and in conf.h needs nothing else.
 *
 *     S(SECTION, name, member, kind, default, least, most, words, help)
 *
 * member: of struct conf, or of that of its section (conf_listen, conf_peer...). least and
 * most bound a number (times in ms), a text's bytes, or each element of a
 * list; `words` are the words that a WORD may be, in the order of its enum.
 */
#pragma once
#include "conf/conf.h"

/*  SECTION     name         titled  help */
#define CONF_SECTIONS(X)                                                                  \
    X(TOP,       "",          false, "outside of any section")                            \
    X(LISTEN,    "listen",    true,  "a port to take connections on: \"ADDRESS:PORT\"")   \
    X(DOMAIN,    "domain",    true,  "a domain whose mail ends here")                     \
    X(TRUST,     "trust",     false, "who may relay")                                     \
    X(ROUTE,     "route",     true,  "where mail for other domains goes")                 \
    X(TLS,       "tls",       true,  "a certificate for a name; the first is the default") \
    X(PEER,      "peer",      true,  "another host, known by address or account")         \
    X(OFFER,     "offer",     true,  "what a listener, or all of a role, offers to whom") \
    X(FETCH,     "fetch",     true,  "mail that waits for us at another host")            \
    X(CONNECTOR, "connector", true,  "a way to a neighbour in the link-state routing")    \
    X(LINKS,     "links",     false, "link-state routing between our own servers")        \
    X(DNS,       "dns",       false, "how names are resolved")                            \
    X(QUEUE,     "queue",     false, "how long and how often mail is tried")              \
    X(LIMITS,    "limits",    false, "what one client may do")                            \
    X(RELAY,     "relay",     false, "connections to other hosts")                        \
    X(LOG,       "log",       false, "what is told, and to whom")                         \
    X(PROCESSES, "processes", false, "how many of each")

enum { MS = 1, SEC = 1000 * MS, MIN = 60 * SEC, HOUR = 60 * MIN, DAY = 24 * HOUR };
#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

#define CONF_SETTINGS(S)                                                                  \
    S(TOP, hostname, hostname, TEXT, "", 0, 255, "",                                      \
      "our name, in the greeting and in Received fields; default: the system's")          \
    S(TOP, spool, spool, PATH, "/var/spool/postrider", 1, 1000, "",                       \
      "the directory that keeps mail; of the queue alone")                                \
    S(TOP, control, control, PATH, "/run/postrider/control", 1, 107, "",                  \
      "the UNIX socket that the postrider command speaks to")                             \
    S(TOP, user, user, TEXT, "postrider", 1, 64, "",                                      \
      "the system user of most processes; has an effect when started as root")            \
    S(TOP, queue_user, queue_user, TEXT, "postriderq", 1, 64, "",                         \
      "the system user who owns the spool; has an effect when started as root")           \
    S(TOP, vault_user, vault_user, TEXT, "postriderv", 1, 64, "",                         \
      "the system user who holds keys and passwords; has an effect when started as root") \
    S(TOP, accounts, accounts_text, TEXT, "", 0, 1000, "",                                \
      "file:PATH: who may log in; see postrider-accounts(5)")                             \
    S(TOP, credentials, credentials_text, TEXT, "", 0, 1000, "",                          \
      "file:PATH: lines `name user password`, for logging in to other hosts")             \
    S(TOP, keytab, keytab, TEXT, "", 0, 1000, "",                                         \
      "file of Kerberos keys of smtp/HOSTNAME, for AUTH GSSAPI")                          \
    S(TOP, realm, realm, TEXT, "", 0, 255, "",                                            \
      "Kerberos realm of our accounts: alice@REALM is alice; others keep their realm")    \
    S(TOP, utmp, utmp, PATH, "/run/utmp", 1, 1000, "",                                    \
      "the file that says who is logged in where, for SEND, SOML and SAML")               \
    S(TOP, terminals, terminals, PATH, "/dev", 1, 1000, "",                               \
      "the directory of the terminals that it names")                                     \
    S(LISTEN, role, role, WORD, "mx", 0, 0, "mx|sink|submission|odmr|lmtp",               \
      "mx: for our domains and for whom we trust; sink: every recipient, never relays; "  \
      "submission: for who logs in; odmr: mail is fetched; lmtp: for our domains")        \
    S(LISTEN, tls, tls, WORD, "default", 0, 0, "default|none|offer|require|implicit",     \
      "STARTTLS; implicit: TLS from the first octet; default: offer where there is a certificate") \
    S(LISTEN, auth, auth, WORD, "default", 0, 0, "default|none|offer|require",            \
      "AUTH; default: require for submission, offer for odmr, else none")                 \
    S(LISTEN, auth_clear, auth_clear, BOOL, "false", 0, 0, "",                            \
      "PLAIN and LOGIN without TLS too")                                                  \
    S(LISTEN, proxy, proxy.nets, NETS, "", 0, 1000, "",                                   \
      "load balancers, which begin each connection with a PROXY line (version 1 or 2)")   \
    S(LISTEN, deliver, deliver, TEXT, "", 0, 1000, "",                                    \
      "sink: where its mail goes, as for a domain; default: maildir:SPOOL/sink")          \
    S(LISTEN, greet_delay, greet_delay, TIME, "0", 0, 1 * MIN, "",                        \
      "wait before the greeting; a client who does not is refused")                       \
    S(DOMAIN, recipients, recipients_text, TEXT, "", 0, 1000, "",                         \
      "file:PATH: one address or local part a line; any: all; "                           \
      "absent: the aliases and system users decide")                                      \
    S(DOMAIN, aliases, aliases_text, TEXT, "", 0, 1000, "",                               \
      "file:PATH: lines of the form `name: target, target`")                              \
    S(DOMAIN, deliver, deliver, TEXT, "maildir:/var/mail/%d/%u", 1, 1000, "",             \
      "maildir:PATH with %d, %u and %%; lmtp:PATH; lmtp:HOST:PORT; discard")              \
    S(DOMAIN, message_size, message_size, SIZE, "0", 0, 2 * GIB, "",                      \
      "bytes of a message to its recipients, if less than limits allow; 0: as limits")    \
    S(TRUST, networks, trust.networks, NETS, "", 0, 10000, "",                            \
      "networks whose clients may relay; default: none")                                  \
    S(ROUTE, via, via_text, TEXT, "mx", 1, 300, "",                                       \
      "mx: by the DNS; hold: wait for a person; HOST, HOST:PORT or [ADDRESS]:PORT")       \
    S(ROUTE, tls, tls, WORD, "default", 0, 0, "default|offer|require|none",               \
      "offer: when the host has it; require: only over TLS, with a valid certificate; "   \
      "default: as relay says")                                                           \
    S(ROUTE, account, account, TEXT, "", 0, 255, "",                                      \
      "log in as this entry of the credentials file; by PLAIN and LOGIN only where the "  \
      "host's certificate is valid")                                                      \
    S(TLS, certificate, certificate, TEXT, "", 0, 1000, "",                               \
      "PEM file: the certificate, and those between it and a root")                       \
    S(TLS, key, key, TEXT, "", 0, 1000, "",                                               \
      "PEM file of its private key, which only the vault process gets")                   \
    S(PEER, networks, networks.nets, NETS, "", 0, 1000, "",                               \
      "it connects from here")                                                            \
    S(PEER, accounts, accounts.names, TEXTS, "", 0, 1000, "",                             \
      "it logs in as one of these")                                                       \
    S(PEER, domains, domains.names, TEXTS, "", 0, 1000, "",                               \
      "domains whose mail it may fetch")                                                  \
    S(PEER, grant, grant_text.names, TEXTS, "", 0, 100, "",                               \
      "what it may use beyond others: etrn, atrn, turn, xexch50, link2state, xclient, xforward...") \
    S(OFFER, strangers, who[WHO_STRANGER].names, TEXTS, "default", 0, 100, "",            \
      "keywords of EHLO; the word default stands for the usual ones")                     \
    S(OFFER, trusted, who[WHO_TRUSTED].names, TEXTS, "default", 0, 100, "",               \
      "the same for clients in trusted networks")                                         \
    S(OFFER, authenticated, who[WHO_AUTHENTICATED].names, TEXTS, "default", 0, 100, "",   \
      "the same for who has logged in")                                                   \
    S(FETCH, host, host_text, TEXT, "", 0, 300, "",                                       \
      "HOST, HOST:PORT or [ADDRESS]:PORT; default port: 366 for atrn, else 25")           \
    S(FETCH, verb, verb, WORD, "atrn", 0, 0, "atrn|turn|etrn",                            \
      "atrn, turn: over the same connection; etrn: ask it to connect to us")              \
    S(FETCH, domains, domains.names, TEXTS, "", 0, 1000, "",                              \
      "domains to ask for")                                                               \
    S(FETCH, account, account, TEXT, "", 0, 255, "",                                      \
      "log in as this entry of the credentials file")                                     \
    S(FETCH, tls, tls, WORD, "default", 0, 0, "default|offer|require|none", "as in a route") \
    S(FETCH, every, every, TIME, "10m", 1 * SEC, 30LL * DAY, "", "how often")             \
    S(CONNECTOR, via, via_text, TEXT, "", 0, 300, "",                                     \
      "HOST, HOST:PORT or [ADDRESS]:PORT")                                                \
    S(CONNECTOR, cost, cost, COUNT, "10", 1, 100, "",                                     \
      "the way with the least sum is taken; 100: only to keep a way")                     \
    S(CONNECTOR, tls, tls, WORD, "default", 0, 0, "default|offer|require|none", "as in a route") \
    S(CONNECTOR, account, account, TEXT, "", 0, 255, "",                                  \
      "log in as this entry of the credentials file")                                     \
    S(LINKS, serves, links.serves.names, TEXTS, "", 0, 1000, "",                          \
      "domains that are reached through this server, beside those of its domain sections") \
    S(LINKS, damping, links.damping, TIME, "10m", 0, 1 * DAY, "",                         \
      "news of a link that went up or down wait so long")                                 \
    S(LINKS, retry, links.retry, TIME, "60s", 100 * MS, 1 * DAY, "",                      \
      "between attempts on a link in trouble; after three it is down")                    \
    S(LINKS, refresh, links.refresh, TIME, "5m", 1 * SEC, 1 * DAY, "",                    \
      "tell the neighbours so often that we are here")                                    \
    S(LINKS, age, links.age, TIME, "1h", 1 * SEC, 30LL * DAY, "",                         \
      "forget a server that was not heard of for so long")                                \
    S(LINKS, suppress, links.suppress, BOOL, "false", 0, 0, "",                           \
      "links never count as down: least cost alone decides")                              \
    S(DNS, servers, dns.servers, SERVERS, "", 0, 16, "",                                  \
      "name servers, ADDRESS or ADDRESS:PORT; default: the system's")                     \
    S(DNS, timeout, dns.timeout, TIME, "20s", 100 * MS, 5 * MIN, "",                      \
      "for one answer, whatever it takes to find it")                                     \
    S(QUEUE, lifetime, queue.lifetime, TIME, "5d", 1 * SEC, 365LL * DAY, "",              \
      "a recipient who could not be reached for so long has failed")                      \
    S(QUEUE, warn, queue.warn, TIME, "4h", 0, 365LL * DAY, "",                            \
      "tell the sender when a message has waited so long; 0: never")                      \
    S(QUEUE, retry, queue.retry, TIMES, "5m,15m,1h,4h", 100 * MS, 30LL * DAY, "",         \
      "waits between attempts; the last one repeats")                                     \
    S(QUEUE, jitter, queue.jitter, COUNT, "10", 0, 50, "",                                \
      "per cent by which a wait is spread, so that mail does not come back in crowds")    \
    S(QUEUE, destination_concurrency, queue.destination_concurrency, COUNT, "20", 1, 10000, "", \
      "attempts at the same time to one destination that is not local")                     \
    S(QUEUE, history, queue.history, SIZE, "64M", 0, 64 * GIB, "",                        \
      "bytes of history kept for `postrider trace`")                                      \
    S(QUEUE, min_free, queue.min_free, SIZE, "64M", 0, 1024 * 1024 * GIB, "",             \
      "refuse mail while the spool's disk has fewer bytes free")                          \
    S(QUEUE, bounce_body, queue.bounce_body, SIZE, "50K", 0, 1 * GIB, "",                 \
      "a larger message is returned in a bounce with its header only")                    \
    S(LIMITS, message_size, limits.message_size, SIZE, "50M", 1 * KIB, 2 * GIB, "",       \
      "bytes of a message")                                                               \
    S(LIMITS, recipients, limits.recipients, COUNT, "1000", 100, 10000, "",               \
      "recipients of a message (RFC 5321 wants 100 at least)")                            \
    S(LIMITS, connections, limits.connections, COUNT, "20000", 1, 1000000, "",            \
      "sessions at the same time")                                                        \
    S(LIMITS, connections_per_client, limits.connections_per_client, COUNT, "50", 1, 1000000, "", \
      "sessions at the same time from one IPv4 address or IPv6 /64")                      \
    S(LIMITS, command_line, limits.command_line, SIZE, "2048", 512, 64 * KIB, "",         \
      "bytes of a command line with its CRLF")                                            \
    S(LIMITS, text_line, limits.text_line, SIZE, "998", 998, 1 * MIB, "",                 \
      "bytes of a line of text without its CRLF; longer ones are refused")                \
    S(LIMITS, errors, limits.errors, COUNT, "20", 1, 10000, "",                           \
      "refused commands before the session is ended")                                     \
    S(LIMITS, junk, limits.junk, COUNT, "100", 1, 100000, "",                             \
      "commands that do nothing (NOOP, RSET, VRFY...) between messages")                  \
    S(LIMITS, hops, limits.hops, COUNT, "50", 10, 1000, "",                               \
      "Received fields before a message counts as looping")                               \
    S(LIMITS, messages, limits.messages, COUNT, "10000", 1, 10000000, "",                 \
      "messages in one session")                                                          \
    S(LIMITS, command_timeout, limits.command_timeout, TIME, "5m", 100 * MS, 1 * HOUR, "", \
      "wait for the next command")                                                        \
    S(LIMITS, data_timeout, limits.data_timeout, TIME, "5m", 100 * MS, 1 * HOUR, "",      \
      "wait for more of a message")                                                       \
    S(LIMITS, session_timeout, limits.session_timeout, TIME, "1h", 1 * SEC, 7LL * DAY, "", \
      "for a whole session; a message under way may still be finished")                   \
    S(LIMITS, min_data_rate, limits.min_data_rate, SIZE, "64", 0, 1 * GIB, "",            \
      "bytes a second, over 30 seconds, that a client must manage during DATA; 0: any")   \
    S(LIMITS, alias_depth, limits.alias_depth, COUNT, "10", 1, 100, "",                   \
      "aliases that may lead to aliases")                                                 \
    S(LIMITS, auth_failures, limits.auth_failures, COUNT, "3", 1, 1000, "",               \
      "logins that may fail in one session")                                              \
    S(LIMITS, auth_client, limits.auth_client, COUNT, "10", 1, 1000000, "",               \
      "logins a minute that may fail from one client; beyond: 454")                       \
    S(LIMITS, auth_account, limits.auth_account, COUNT, "50", 1, 1000000, "",             \
      "logins an hour that may fail for one account, from clients that never succeeded")  \
    S(LIMITS, auth_timeout, limits.auth_timeout, TIME, "1m", 100 * MS, 1 * HOUR, "",      \
      "for one login")                                                                    \
    S(LIMITS, tls_timeout, limits.tls_timeout, TIME, "1m", 100 * MS, 1 * HOUR, "",        \
      "for one TLS handshake")                                                            \
    S(LIMITS, xexch50, limits.xexch50, SIZE, "1M", 0, 4 * MIB, "",                        \
      "bytes that XEXCH50 may bring with a message")                                      \
    S(LIMITS, future_release, limits.future_release, TIME, "30d", 1 * SEC, 365LL * DAY, "", \
      "how far ahead FUTURERELEASE may ask for")                                          \
    S(LIMITS, deliver_by, limits.deliver_by, TIME, "0", 0, 365LL * DAY, "",               \
      "the least time that DELIVERBY may ask for")                                        \
    S(LIMITS, vrfy, limits.vrfy, COUNT, "100", 0, 1000000, "",                            \
      "VRFY and EXPN that are answered in one session")                                   \
    S(LIMITS, etrn, limits.etrn, COUNT, "100", 0, 1000000, "",                            \
      "ETRN that are answered in one session")                                            \
    S(LIMITS, terminal_lines, limits.terminal_lines, COUNT, "50", 1, 1000, "",            \
      "lines of a message that a terminal is shown")                                      \
    S(RELAY, connections, relay.connections, COUNT, "2000", 1, 100000, "",                \
      "connections at the same time of one relay process")                                \
    S(RELAY, idle, relay.idle, TIME, "5s", 0, 5 * MIN, "",                                \
      "keep a connection so long for the next message")                                   \
    S(RELAY, messages, relay.messages, COUNT, "100", 1, 100000, "",                       \
      "messages over one connection")                                                     \
    S(RELAY, recipients, relay.recipients, COUNT, "100", 1, 1000, "",                     \
      "recipients in one transaction")                                                    \
    S(RELAY, connect_timeout, relay.connect_timeout, TIME, "30s", 100 * MS, 5 * MIN, "",  \
      "wait for one address to take the connection")                                      \
    S(RELAY, timeout_scale, relay.timeout_scale, COUNT, "100", 1, 1000, "",               \
      "per cent of the timeouts of RFC 5321, section 4.5.3.2")                            \
    S(RELAY, ipv6, relay.ipv6, BOOL, "true", 0, 0, "",                                    \
      "try IPv6 addresses too")                                                           \
    S(RELAY, port, relay.port, COUNT, "25", 1, 65535, "",                                 \
      "port of the hosts that the DNS names")                                             \
    S(RELAY, loopback, relay.loopback, BOOL, "false", 0, 0, "",                           \
      "connect to 127.0.0.0/8 and ::1 too when the DNS says so (for tests)")              \
    S(RELAY, tls, relay.tls, WORD, "offer", 0, 0, "default|offer|require|none",           \
      "TLS to other hosts, where no route, fetch or connector says otherwise; default: offer") \
    S(RELAY, ca, relay.ca, TEXT, "", 0, 1000, "",                                         \
      "PEM file of the certificates that are trusted; default: the system's")             \
    S(LOG, to, log.to, TEXT, "stderr", 1, 1000, "",                                       \
      "stderr, syslog, or file:PATH")                                                     \
    S(LOG, json, log.json, BOOL, "false", 0, 0, "",                                       \
      "one JSON object a line instead of text")                                           \
    S(LOG, level, log.level, WORD, "info", 0, 0, "debug|info|warning|alarm",              \
      "tell this and what is more important")                                             \
    S(LOG, per_second, log.per_second, COUNT, "1000", 0, 1000000, "",                     \
      "lines a second and process; 0: no limit")                                          \
    S(PROCESSES, smtpd, processes.smtpd, COUNT, "0", 0, 32, "",                           \
      "processes that receive mail; 0: as many as cores")                                 \
    S(PROCESSES, relay, processes.relay, COUNT, "0", 0, 32, "",                           \
      "processes that send mail; 0: as many as cores")

enum conf_section {
#define X(NAME, name, titled, help) SECTION_##NAME,
    CONF_SECTIONS(X)
#undef X
    SECTION_COUNT
};

/* What a value is, and the C type of its member. */
enum conf_kind {
    KIND_TEXT,      /* struct slice */
    KIND_PATH,      /* struct slice; begins with / */
    KIND_WORD,      /* an enum, or unsigned */
    KIND_BOOL,      /* bool */
    KIND_COUNT,     /* uint64_t */
    KIND_SIZE,      /* uint64_t, bytes */
    KIND_TIME,      /* int64_t, ms */
    KIND_TIMES,     /* struct { int64_t *; size_t }: the pointer is the member, */
    KIND_NETS,      /* struct { struct ip_net *; size_t }  the count follows it */
    KIND_SERVERS,   /* struct { struct slice *; size_t } */
    KIND_TEXTS,     /* the same: any texts, of 1 to 300 bytes each */
};

/* The settings' numbers: SET_LIMITS_message_size */
enum conf_set {
#define S(SECTION, name, ...) SET_##SECTION##_##name,
    CONF_SETTINGS(S)
#undef S
    SETTING_COUNT
};

struct conf_setting {
    enum conf_section section;
    const char       *name;
    enum conf_kind    kind;
    const char       *value;        /* the default, as in the file; lists with commas */
    int64_t           least, most;
    const char       *words, *help;
    size_t            offset;       /* of the member */
};

struct conf_section_row {
    const char *name;
    bool        titled;
    const char *help;
};

/* conf_section_span - the numbers of a section's settings: first, first + 1, ... */
void conf_section_span(enum conf_section section, unsigned *first, unsigned *n);

extern const struct conf_setting conf_settings[SETTING_COUNT];
extern const struct conf_section_row conf_sections[SECTION_COUNT];

static inline bool conf_kind_is_list(enum conf_kind k)
{
    return k == KIND_TIMES || k == KIND_NETS || k == KIND_SERVERS || k == KIND_TEXTS;
}
