/* conf.h - the configuration in force, as everyone reads it.
 *
 * The master parses the file (conf_parse), compiles the tables it names, and
 * hands a sealed copy to each process (conf_write, conf_read). After that
 * nobody changes it. Every setting is a row of conf/settings.h.
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/ip.h"
#include "base/map.h"
#include "conf/feature.h"

enum listen_role { LISTEN_MX, LISTEN_SINK, LISTEN_SUBMISSION, LISTEN_ODMR, LISTEN_LMTP,
                   LISTEN_ROLES };

/* STARTTLS of a listener; DEFAULT: offered where there is a certificate. */
enum listen_tls { LISTEN_TLS_DEFAULT, LISTEN_TLS_NONE, LISTEN_TLS_OFFER, LISTEN_TLS_REQUIRE,
                  LISTEN_TLS_IMPLICIT };

/* AUTH of a listener; DEFAULT: required for submission, offered for odmr where there are
 * accounts, else none. conf_build() leaves no DEFAULT. */
enum listen_auth { LISTEN_AUTH_DEFAULT, LISTEN_AUTH_NONE, LISTEN_AUTH_OFFER,
                   LISTEN_AUTH_REQUIRE };

/* TLS towards another host. OFFER: when it offers it, whatever its certificate.
 * DEFAULT: as relay.tls says; only the built-in route has it. */
enum tls_use { TLS_DEFAULT, TLS_OFFER, TLS_REQUIRE, TLS_NONE };

enum fetch_verb { FETCH_ATRN, FETCH_TURN, FETCH_ETRN };

/* Where the last mile goes: `deliver` of a domain or a sink. */
enum deliver_kind { DELIVER_NONE, DELIVER_MAILDIR, DELIVER_LMTP_UNIX, DELIVER_LMTP_TCP, DELIVER_DISCARD };

/* How a domain's recipients are known. */
enum recipients_kind { RECIPIENTS_SYSTEM, RECIPIENTS_FILE, RECIPIENTS_ANY };

enum via_kind { VIA_MX, VIA_HOLD, VIA_HOST };

struct conf_listen {
    struct slice     address;       /* as written: "0.0.0.0:25", "[::]:25" */
    struct ip        ip;
    uint16_t         port;
    enum listen_role role;
    struct slice     deliver;       /* sink: "maildir:...", "discard" */
    enum deliver_kind deliver_kind; /* DELIVER_NONE: mx */
    int64_t          greet_delay;   /* ms before the greeting; who speaks earlier is refused (A027) */
    enum listen_tls  tls;           /* OFFER only if there is a certificate; never DEFAULT */
    enum listen_auth auth;          /* never DEFAULT */
    bool             auth_clear;    /* PLAIN and LOGIN without TLS too */
    struct { struct ip_net *nets; size_t nnets; } proxy;    /* whose PROXY lines are believed (and needed) */
    uint64_t         offers[WHO_COUNT];     /* FEATURE() bits, without a peer's grants */
    unsigned         line;          /* in the file */
};

struct conf_domain {
    struct slice         name;          /* lower case */
    enum recipients_kind recipients;
    struct slice         recipients_text;   /* as written */
    struct slice         recipients_file;
    struct slice         aliases_text;  /* as written */
    struct slice         aliases_file;  /* empty: none */
    struct slice         deliver;       /* "maildir:/var/mail/%d/%u", "lmtp:/path", "lmtp:host:port", "discard" */
    enum deliver_kind    deliver_kind;
    uint64_t             message_size;  /* bytes of a message to it; 0: as limits say */
    unsigned             line;
};

struct conf_route {
    struct slice   pattern;         /* "partner.test", "*.partner.test", "*" */
    struct slice   via_text;        /* as written */
    enum via_kind  via;
    struct slice   host;            /* VIA_HOST: name, IPv4 or IPv6 without brackets */
    uint16_t       port;
    enum tls_use   tls;
    struct slice   account;         /* of the credentials file: log in as this; empty: do not */
    unsigned       line;
};

/* A certificate with its key, for the names it is good for. */
struct conf_tls {
    struct slice name;              /* lower case */
    struct slice certificate, key;  /* paths */
    unsigned     line;
};

struct conf_names { struct slice *names; size_t n; };

/* Another host that is known by name. Who is in `networks` or has logged in as
 * one of `accounts` is it; where both are given, both must hold. */
struct conf_peer {
    struct slice      name;
    struct { struct ip_net *nets; size_t n; } networks;
    struct conf_names accounts, domains;    /* domains, lower case: whose mail it may fetch */
    struct conf_names grant_text;
    uint64_t          grant;        /* FEATURE() bits */
    unsigned          line;
};

/* Other offers of a listener, or of all of a role, than the usual. */
struct conf_offer {
    struct slice      title;        /* a role, or the listener's address */
    struct conf_names who[WHO_COUNT];       /* words; the one word "default" keeps the usual ones */
    unsigned          line;
};

/* Mail that waits for us elsewhere. */
struct conf_fetch {
    struct slice      name, host_text;
    struct slice      host;         /* name or address, without brackets */
    uint16_t          port;
    enum fetch_verb   verb;
    struct conf_names domains;
    struct slice      account;      /* of the credentials file */
    enum tls_use      tls;
    int64_t           every;        /* ms */
    unsigned          line;
};

/* A way to a neighbouring node of the link-state routing. */
struct conf_connector {
    struct slice name;              /* the node it leads to: its hostname, lower case */
    struct slice via_text, host;
    uint16_t     port;
    uint64_t     cost;
    enum tls_use tls;
    struct slice account;
    unsigned     line;
};

struct conf {
    struct arena         arena;
    struct slice         file;          /* where it was read; "(embedded)" */
    struct slice         hostname, spool, control, user, queue_user, vault_user;
    struct slice         accounts_text, accounts;           /* path; empty: none */
    struct slice         credentials_text, credentials;     /* path: our own logins elsewhere */
    struct slice         keytab;            /* path, for GSSAPI */
    struct slice         realm;             /* of Kerberos: its principals are our accounts */
    struct slice         utmp, terminals;   /* who is logged in, and where his terminals are */
    struct conf_listen  *listens;
    size_t               nlistens;
    struct conf_domain  *domains;
    size_t               ndomains;
    struct conf_route   *routes;        /* most specific first */
    size_t               nroutes;
    struct conf_tls      *tls;
    size_t               ntls;
    struct conf_peer     *peers;
    size_t               npeers;
    struct conf_offer    *offers;
    size_t               noffers;
    struct conf_fetch    *fetches;
    size_t               nfetches;
    struct conf_connector *connectors;
    size_t               nconnectors;
    struct {
        struct conf_names serves;       /* domains reached through us, beside ours */
        int64_t damping;                /* ms that news of up and down wait */
        int64_t retry, refresh, age;    /* ms */
        bool    suppress;               /* links never count as down */
    } links;
    struct { struct ip_net *networks; size_t nnetworks; } trust;
    struct { struct slice *servers; size_t nservers; int64_t timeout; /* ms */ } dns;
    struct {
        int64_t  lifetime, warn;        /* ms; warn 0: never */
        int64_t *retry;                 /* ms; the last one repeats */
        size_t   nretry;
        uint64_t jitter;                /* per cent by which a retry time is spread */
        uint64_t destination_concurrency;   /* attempts at once to one destination, at most */
        uint64_t history;               /* bytes of history kept for `trace` */
        uint64_t min_free;              /* refuse mail when the spool's disk has fewer bytes free */
        uint64_t bounce_body;           /* bytes of the original returned in a bounce; beyond: headers only */
    } queue;
    struct {
        uint64_t message_size, recipients, connections, connections_per_client;
        uint64_t command_line;          /* bytes of a command line with CRLF */
        uint64_t text_line;             /* bytes of a line of text without CRLF */
        uint64_t errors;                /* refused commands before 421 */
        uint64_t junk;                  /* commands that do nothing (NOOP, RSET, VRFY...) between messages before 421 */
        uint64_t hops;                  /* Received fields before a message counts as looping */
        uint64_t messages;              /* per connection */
        int64_t  command_timeout;       /* ms to wait for the next command */
        int64_t  data_timeout;          /* ms to wait for more data */
        int64_t  session_timeout;       /* ms for a whole session */
        uint64_t min_data_rate;         /* bytes a second, over 30 s, during DATA; 0: none */
        uint64_t alias_depth;
        uint64_t auth_failures;         /* of one session */
        uint64_t auth_client;           /* failures a minute from one client */
        uint64_t auth_account;          /* failures an hour for one account from strangers to it */
        int64_t  auth_timeout;          /* ms for one exchange */
        int64_t  tls_timeout;           /* ms for a handshake */
        uint64_t xexch50;               /* bytes of a blob */
        int64_t  future_release;        /* ms that a message may be held on request */
        int64_t  deliver_by;            /* ms: the least time that DELIVERBY may ask for */
        uint64_t vrfy;                  /* VRFY and EXPN in one session */
        uint64_t etrn;                  /* ETRN in one session */
        uint64_t terminal_lines;        /* lines shown on a terminal */
    } limits;
    struct {
        uint64_t connections;           /* outgoing, at once, of one relay */
        int64_t  idle;                  /* ms that an outgoing connection is kept for the next message */
        uint64_t messages;              /* over one outgoing connection */
        uint64_t recipients;            /* in one outgoing transaction */
        int64_t  connect_timeout;       /* ms */
        uint64_t timeout_scale;         /* per cent of the RFC 5321 §4.5.3.2 timeouts (tests use less) */
        bool     ipv6;                  /* try AAAA too */
        uint64_t port;                  /* of hosts found by MX or as a domain's own address */
        bool     loopback;              /* those may have loopback addresses */
        enum tls_use tls;               /* where a route does not say */
        struct slice ca;                /* file of trusted certificates; empty: the system's */
    } relay;
    struct {
        struct slice to;                /* "stderr", "syslog", "file:/path" */
        bool         json;
        unsigned     level;             /* enum log_level */
        uint64_t     per_second;
    } log;
    struct { uint64_t smtpd, relay; } processes;    /* 0: as many as cores */

    struct conf_doc *doc;               /* every setting as written, with its origin */
    struct map       domain_map, route_map;
};

/* conf_usual - the file that holds when nobody names one, or NULL: there is none,
 * so the embedded defaults hold. The server and the command agree on it. */
const char *conf_usual(void);

/* conf_parse - read a file (NULL: the embedded defaults, for development).
 * NULL and a message "file:line: what is wrong, what was meant" in `errors`
 * (one line each, at most 20) if anything is wrong with it. */
struct conf *conf_parse(const char *path, struct buf *errors);

/* conf_parse_alone - the same, be the files that it names there or not: for who is
 * about to make one of them */
struct conf *conf_parse_alone(const char *path, struct buf *errors);

/* conf_write, conf_read - through a sealed descriptor to another process.
 * conf_write: a new descriptor or -1. conf_read: does not close fd; NULL if malformed. */
int conf_write(const struct conf *conf);
struct conf *conf_read(int fd);
void conf_free(struct conf *conf);

/* conf_show - every setting in force as "name = value   # origin", in the
 * syntax of the file, so that its output is a configuration with the same meaning */
void conf_show(const struct conf *conf, struct buf *out);

/* conf_log - let this process log as `log` says, from now on; process lives for ever */
void conf_log(const struct conf *conf, const char *process);

/* conf_processes - how many processes a setting of `processes` means: as many as cores
 * where it is 0, and never more than CONF_PROCESSES of one role and generation */
enum { CONF_PROCESSES = 32 };
unsigned conf_processes(uint64_t setting);

/* conf_domain_find - the domain of ours with this name (case ignored), or NULL */
const struct conf_domain *conf_domain_find(const struct conf *conf, struct slice name);

/* conf_route_find - the most specific route for a domain; never NULL ("*" via mx is built in) */
const struct conf_route *conf_route_find(const struct conf *conf, struct slice domain);

/* conf_trusts - may this client relay? */
bool conf_trusts(const struct conf *conf, const struct ip *client);

/* conf_peer_known - is this client that peer? account: of an authenticated
 * client, else empty */
bool conf_peer_known(const struct conf_peer *peer, const struct ip *client, struct slice account);

/* conf_grants - what all peers that the client is (see above) are granted */
uint64_t conf_grants(const struct conf *conf, const struct ip *client, struct slice account);

/* conf_peer_at - the peer with this address in its networks, or NULL: for
 * connections that we make */
const struct conf_peer *conf_peer_at(const struct conf *conf, const struct ip *host);

/* conf_may_fetch - may who is logged in as `account` from `client` have the mail of
 * `domain` by this feature (ATRN, TURN, ETRN)? */
bool conf_may_fetch(const struct conf *conf, const struct ip *client, struct slice account,
                    enum feature by, struct slice domain);

/* conf_is_our_name - the hostname, or one of the domains */
bool conf_is_our_name(const struct conf *conf, struct slice name);
