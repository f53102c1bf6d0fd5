/* messages.h - everything that our processes say to each other.
 *
 * One list. From it come, for every message, a struct, a writer, a reader,
 * the number on the wire, and the table of who may say it to whom. A receiver
 * checks all of it again: its peer may be in hostile hands.
 *
 *     M(NAME, name, from, to, FIELDS)
 *
 * A frame of a message may carry one descriptor where the comment says +fd.
 */
#pragma once
#include "base/wire.h"
#include "ipc/role.h"

/* --- master and its children ------------------------------------------- */

/* +fd: the configuration in force, sealed (conf_read). Before GO at start;
 * later again, to queue and console, after a reload. */
#define MSG_CONF_FIELDS(F)                                                  \
    F(u32,   generation)
/* +fd: a compiled table (CDB), named as in the configuration; or, sealed in memory, the
 * content of a file: "certificate:NAME" for smtpd; "certificate:NAME", "key:NAME",
 * "accounts", "credentials", "keytab" for vault. Before CONF. */
#define MSG_TABLE_FIELDS(F)                                                 \
    F(bytes, name)
/* +fd: a listening socket; index of the listener in the configuration. */
#define MSG_LISTENER_FIELDS(F)                                              \
    F(u32,   index)
/* +fd: a channel to another process. */
#define MSG_PEER_FIELDS(F)                                                  \
    F(u32,   role)                                                          \
    F(u32,   slot)
/* +fd: memory shared by all smtpd of this server: sessions by client. */
#define MSG_CENSUS_FIELDS(F)                                                \
    F(u32,   slots)
/* +fd: where lines of the log go from now on (descriptor 2), after a reload. */
#define MSG_LOG_FIELDS(F)                                                   \
    F(u32,   generation)
/* Everything has been handed over: begin. slot: yours, see base/id.h. */
#define MSG_GO_FIELDS(F)                                                    \
    F(u32,   slot)                                                          \
    F(u32,   generation)                                                    \
    F(bytes, user)          /* run as this one from now on; empty: as you are */
/* I have begun. */
#define MSG_READY_FIELDS(F)                                                 \
    F(u32,   sandbox)       /* level reached */
/* Take nothing new, finish what you have, then exit 0. */
#define MSG_DRAIN_FIELDS(F)                                                 \
    F(u32,   seconds)       /* and after so many give up what is left */

/* --- accepting: smtpd and queue ---------------------------------------- */

/* Your ids start above floor. room 0: refuse mail, the disk is full. */
#define MSG_WELCOME_FIELDS(F)                                               \
    F(u64,   floor)
#define MSG_ROOM_FIELDS(F)                                                  \
    F(u8,    room)
/* +fd: memory that the two share, BAY_BYTES of it: bodies may be laid down there. */
#define MSG_BAY_FIELDS(F)                                                   \
    F(u64,   number)
/* Make this durable. The body is inline, or in a lent file (lent != 0), or in the bay
 * (bay != 0), which is not changed there before COMMITTED. */
#define MSG_COMMIT_FIELDS(F)                                                \
    F(u64,   id)            /* made by this smtpd */                        \
    F(u64,   nonce)         /* of this smtpd's life; a repeat has the same */ \
    F(bytes, envelope)      /* mail/envelope.h */                           \
    F(bytes, body)          /* with our Received field, lines end in CRLF */ \
    F(u64,   lent)          /* 0: inline */                                 \
    F(u64,   length)        /* of the lent file's content, or of the body in the bay */ \
    F(u32,   crc)           /* CRC32C of the file's content */              \
    F(u64,   bay)           /* number of the bay, or 0 */                   \
    F(u64,   place)         /* where in it the body begins */
/* Say 250 only if fate is FATE_DONE. */
#define MSG_COMMITTED_FIELDS(F)                                             \
    F(u64,   id)                                                            \
    F(u8,    fate)                                                          \
    F(u8,    full)          /* later, because the disk is full (452) */
/* +fd: an empty file for a large body, to be named by its number. */
#define MSG_LEND_FIELDS(F)                                                  \
    F(u64,   number)
/* Lend me so many more files. */
#define MSG_LEND_MORE_FIELDS(F)                                             \
    F(u32,   count)
/* I do not need this file after all. */
#define MSG_LEND_BACK_FIELDS(F)                                             \
    F(u64,   number)

/* --- delivering: queue and its agents (relay, local) -------------------- */

/* Deliver. The body is inline, or +fd: `length` bytes from `offset`. */
#define MSG_DELIVER_FIELDS(F)                                               \
    F(u64,   job)                                                           \
    F(u64,   id)                                                            \
    F(bytes, destination)   /* "mx:example.org", "host:127.0.0.1:2600", "host:[::1]:25", \
                               "turn:TICKET" (a connection that was handed over: see TURN_GO), \
                               "lmtp:/path", "lmtp:host:port", "maildir:TEMPLATE", "discard:", \
                               "terminal:" (SEND, SOML, SAML) */            \
    F(bytes, domain)        /* of the recipients, as the routes know it; for route's tls, account */ \
    F(bytes, sender)        /* reverse-path without <> */                   \
    F(u32,   flags)         /* enum envelope_flags */                       \
    F(i64,   arrived)       /* wall ms; this and the next three for XFORWARD */ \
    F(bytes, client)                                                        \
    F(bytes, helo)                                                          \
    F(bytes, protocol)                                                      \
    F(bytes, extra)         /* of the envelope */                           \
    F(u32,   nrcpts)                                                        \
    F(bytes, rcpts)         /* nrcpts times { u32 index, bytes address, bytes original, \
                               bytes extra } */                             \
    F(bytes, body)                                                          \
    F(u8,    file)          /* 1: the body is in the descriptor */          \
    F(u64,   offset)                                                        \
    F(u64,   length)
/* What became of it. A recipient without an outcome is later. */
#define MSG_RESULT_FIELDS(F)                                                \
    F(u64,   job)                                                           \
    F(u8,    trouble)       /* enum trouble: whose fault a failure was */   \
    F(bytes, host)          /* the other side: "mx1.example.org [192.0.2.1]:25" */ \
    F(bytes, note)          /* for the trace: "XEXCH50 dropped: ..."; may be empty */ \
    F(u32,   noutcomes)                                                     \
    F(bytes, outcomes)      /* noutcomes outcomes, see below */

/* --- questions: smtpd, queue and lookup --------------------------------- */

/* Where does mail for this local address go, aliases expanded? */
#define MSG_RESOLVE_FIELDS(F)                                               \
    F(u64,   ticket)                                                        \
    F(bytes, address)       /* canonical; its domain is one of ours, or it is "postmaster" */
#define MSG_RESOLVED_FIELDS(F)                                              \
    F(u64,   ticket)                                                        \
    F(u8,    fate)          /* DONE: entries follow; NEVER: no such user; LATER: ask again */ \
    F(u8,    terminal)      /* 1: somebody with an open terminal is logged in as this user */ \
    F(i64,   since)         /* the address is this user's since (wall s, RFC 7293); 0: unknown */ \
    F(u32,   nentries)                                                      \
    F(bytes, entries)       /* nentries times { bytes address, bytes return_path } */ \
    F(bytes, text)          /* for NEVER and LATER: why, for the log */
/* VRFY or EXPN of this text, as the client gave it (RFC 5321 §3.5). */
#define MSG_WHOIS_FIELDS(F)                                                 \
    F(u64,   ticket)                                                        \
    F(u8,    expn)                                                          \
    F(u8,    utf8)          /* the answer may have octets above 127 */      \
    F(bytes, text)
/* code: 250, 251, 252, 550, 551, 553, or 451. */
#define MSG_WHOIS_DONE_FIELDS(F)                                            \
    F(u64,   ticket)                                                        \
    F(u16,   code)                                                          \
    F(u32,   nentries)                                                      \
    F(bytes, entries)       /* nentries times { bytes full name, bytes address } */

/* --- secrets: smtpd, relay and vault -------------------------------------- */

/* What the vault can do now: said when a peer comes, and again when it changes. */
#define MSG_MECHANISMS_FIELDS(F)                                            \
    F(bytes, server)        /* "SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN", strongest first */
/* A login begins: that of a client of ours (smtpd asks), or ours elsewhere (relay). */
#define MSG_AUTH_FIELDS(F)                                                  \
    F(u64,   ticket)                                                        \
    F(bytes, mechanisms)    /* smtpd: the one asked for; relay: those offered */ \
    F(bytes, account)       /* relay: the entry of the credentials; else empty */ \
    F(bytes, host)          /* the other side: address (smtpd), host name (relay) */ \
    F(u8,    secure)        /* 1: over TLS; 2: in clear text, but the configuration allows it */ \
    F(u8,    has_initial)                                                   \
    F(bytes, initial)       /* response, decoded from base64 */
#define MSG_AUTH_STEP_FIELDS(F)                                             \
    F(u64,   ticket)                                                        \
    F(bytes, data)          /* what the other side said, decoded */
#define MSG_AUTH_CANCEL_FIELDS(F)                                           \
    F(u64,   ticket)
/* Say this. mechanism: the one chosen, in the first of a relay's exchange. */
#define MSG_AUTH_SAY_FIELDS(F)                                              \
    F(u64,   ticket)                                                        \
    F(bytes, mechanism)                                                     \
    F(u8,    has_data)                                                      \
    F(bytes, data)
#define MSG_AUTH_DONE_FIELDS(F)                                             \
    F(u64,   ticket)                                                        \
    F(u8,    fate)          /* DONE: he is who he says; NEVER; LATER */     \
    F(u8,    why)           /* enum auth_why */                             \
    F(bytes, account)       /* who he is, in canonical form */              \
    F(bytes, text)          /* for the log */
/* A private key's work in a handshake. */
#define MSG_SIGN_FIELDS(F)                                                  \
    F(u64,   ticket)                                                        \
    F(bytes, name)          /* of the tls section */                        \
    F(u32,   kind)          /* enum tls_sign_kind (tls/) */                 \
    F(bytes, data)
#define MSG_SIGNED_FIELDS(F)                                                \
    F(u64,   ticket)                                                        \
    F(u8,    fate)                                                          \
    F(bytes, data)

/* --- fetching mail: smtpd, queue, relay ------------------------------------ */

/* ETRN: mail for these nodes may go now. */
#define MSG_KICK_FIELDS(F)                                                  \
    F(u64,   ticket)                                                        \
    F(u8,    kind)          /* enum kick_kind */                            \
    F(bytes, name)
#define MSG_KICKED_FIELDS(F)                                                \
    F(u64,   ticket)                                                        \
    F(u8,    fate)          /* NEVER: there is no such queue; LATER: cannot now */ \
    F(u64,   count)         /* messages that were waiting */
/* TURN, ATRN: is there mail for these domains? */
#define MSG_TURN_ASK_FIELDS(F)                                              \
    F(u64,   ticket)                                                        \
    F(bytes, account)                                                       \
    F(u32,   ndomains)                                                      \
    F(bytes, domains)       /* ndomains times bytes */
#define MSG_TURN_ANSWER_FIELDS(F)                                           \
    F(u64,   ticket)                                                        \
    F(u8,    fate)          /* DONE: count messages; LATER: cannot say now; NEVER: somebody \
                               else is fetching them now */                 \
    F(u64,   count)
/* +fd: the connection, roles reversed: its 250 was said. From smtpd to queue (the ticket of
 * TURN_ASK), and on to a relay (the queue's ticket, in "turn:TICKET"). Over TLS the
 * descriptor is one end of a socket pair, and smtpd goes between. */
#define MSG_TURN_GO_FIELDS(F)                                               \
    F(u64,   ticket)                                                        \
    F(bytes, host)          /* who it is, for the log */                    \
    F(u8,    secure)        /* it was TLS */
/* smtpd: there will be no TURN_GO. queue to relay: that was all, say QUIT. relay to queue:
 * the connection has gone. */
#define MSG_TURN_OVER_FIELDS(F)                                             \
    F(u64,   ticket)
/* Fetch our mail elsewhere: from queue to relay, by the name of the section. */
#define MSG_FETCH_FIELDS(F)                                                 \
    F(u64,   ticket)                                                        \
    F(bytes, name)
#define MSG_FETCHED_FIELDS(F)                                               \
    F(u64,   ticket)                                                        \
    F(u8,    fate)                                                          \
    F(bytes, text)          /* the other side's words */
/* +fd: a connection that was reversed towards us: be the server on it, with a stranger as
 * its client. From relay to queue, and on to a smtpd. */
#define MSG_ADOPT_FIELDS(F)                                                 \
    F(bytes, host)

/* --- link-state routing: smtpd, queue, relay -------------------------------- */

/* A payload of X-LINK2STATE, whole. peer: of the conf section, or the connector. */
#define MSG_LINKSTATE_FIELDS(F)                                             \
    F(u64,   ticket)                                                        \
    F(bytes, peer)                                                          \
    F(bytes, payload)
#define MSG_LINKSTATE_DONE_FIELDS(F)                                        \
    F(u64,   ticket)                                                        \
    F(u8,    fate)                                                          \
    F(bytes, payload)       /* the answer; may be empty */
/* Have this exchange with the neighbour of a connector; PAYLOAD and its answer may go back
 * and forth: each EXCHANGED may be followed by another EXCHANGE with the same ticket. */
#define MSG_EXCHANGE_FIELDS(F)                                              \
    F(u64,   ticket)                                                        \
    F(bytes, connector)     /* name of the section */                       \
    F(bytes, payload)       /* empty: end the exchange */
#define MSG_EXCHANGED_FIELDS(F)                                             \
    F(u64,   ticket)                                                        \
    F(u8,    fate)                                                          \
    F(bytes, payload)

/* --- people: console and everyone --------------------------------------- */

/* Report your counters (log/counters.h). */
#define MSG_STATUS_FIELDS(F)                                                \
    F(u64,   ticket)
#define MSG_REPORT_FIELDS(F)                                                \
    F(u64,   ticket)                                                        \
    F(u32,   pid)                                                           \
    F(u32,   role)                                                          \
    F(u32,   slot)                                                          \
    F(u32,   generation)                                                    \
    F(i64,   started)       /* wall clock, ms */                            \
    F(u32,   sandbox)       /* enum sandbox_level (ipc/child.h) */          \
    F(u32,   ncounters)                                                     \
    F(bytes, counters)      /* ncounters u64 in the order of the list */    \
    F(u8,    last)          /* 1: the last report for this ticket from this peer */
/* A person wants something of the queue. */
#define MSG_QUERY_FIELDS(F)                                                 \
    F(u64,   ticket)                                                        \
    F(u32,   verb)          /* enum query_verb */                           \
    F(u64,   id)            /* 0: any */                                    \
    F(bytes, sender)        /* filters; empty: any. A glob with * and ? */  \
    F(bytes, recipient)                                                     \
    F(bytes, destination)                                                   \
    F(bytes, state)         /* ready, leased, deferred, held */             \
    F(i64,   older)         /* arrived at least so many ms ago; 0: any */   \
    F(i64,   newer)         /* arrived at most so many ms ago; 0: any */    \
    F(u64,   limit)         /* rows at most; 0: all */
/* One row of the answer, as the JSON text of one object. */
#define MSG_ROW_FIELDS(F)                                                   \
    F(u64,   ticket)                                                        \
    F(bytes, json)
#define MSG_DONE_FIELDS(F)                                                  \
    F(u64,   ticket)                                                        \
    F(u8,    fate)                                                          \
    F(u64,   count)         /* messages found, or changed */                \
    F(bytes, text)          /* what went wrong, if it did */
/* Reload the configuration, or stop; answered by DONE. */
#define MSG_RELOAD_FIELDS(F)                                                \
    F(u64,   ticket)
#define MSG_STOP_FIELDS(F)                                                  \
    F(u64,   ticket)

#define R_ANY    (ROLE_BIT(SMTPD) | ROLE_BIT(QUEUE) | ROLE_BIT(RELAY) |       \
                  ROLE_BIT(LOCAL) | ROLE_BIT(LOOKUP) | ROLE_BIT(VAULT) |        \
                  ROLE_BIT(CONSOLE))
#define R_AGENT  (ROLE_BIT(RELAY) | ROLE_BIT(LOCAL))
#define R_ASKS   (ROLE_BIT(SMTPD) | ROLE_BIT(QUEUE))
#define R_SECRET (ROLE_BIT(SMTPD) | ROLE_BIT(RELAY))
#define R_MASTER  ROLE_BIT(MASTER)

#define IPC_MESSAGES(M)                                                       \
    M(CONF,      msg_conf,      R_MASTER,          R_ANY,             MSG_CONF_FIELDS)      \
    M(TABLE,     msg_table,     R_MASTER,          R_ANY,             MSG_TABLE_FIELDS)     \
    M(LISTENER,  msg_listener,  R_MASTER,          ROLE_BIT(SMTPD),   MSG_LISTENER_FIELDS)  \
    M(PEER,      msg_peer,      R_MASTER,          R_ANY,             MSG_PEER_FIELDS)      \
    M(CENSUS,    msg_census,    R_MASTER,          ROLE_BIT(SMTPD),   MSG_CENSUS_FIELDS)    \
    M(LOG,       msg_log,       R_MASTER,          R_ANY,             MSG_LOG_FIELDS)       \
    M(GO,        msg_go,        R_MASTER,          R_ANY,             MSG_GO_FIELDS)        \
    M(READY,     msg_ready,     R_ANY,             R_MASTER,          MSG_READY_FIELDS)     \
    M(DRAIN,     msg_drain,     R_MASTER,          R_ANY,             MSG_DRAIN_FIELDS)     \
    M(WELCOME,   msg_welcome,   ROLE_BIT(QUEUE),   ROLE_BIT(SMTPD),   MSG_WELCOME_FIELDS)   \
    M(ROOM,      msg_room,      ROLE_BIT(QUEUE),   ROLE_BIT(SMTPD),   MSG_ROOM_FIELDS)      \
    M(COMMIT,    msg_commit,    ROLE_BIT(SMTPD),   ROLE_BIT(QUEUE),   MSG_COMMIT_FIELDS)    \
    M(COMMITTED, msg_committed, ROLE_BIT(QUEUE),   ROLE_BIT(SMTPD),   MSG_COMMITTED_FIELDS) \
    M(LEND,      msg_lend,      ROLE_BIT(QUEUE),   ROLE_BIT(SMTPD),   MSG_LEND_FIELDS)      \
    M(BAY,       msg_bay,       ROLE_BIT(QUEUE),   ROLE_BIT(SMTPD),   MSG_BAY_FIELDS)       \
    M(LEND_MORE, msg_lend_more, ROLE_BIT(SMTPD),   ROLE_BIT(QUEUE),   MSG_LEND_MORE_FIELDS) \
    M(LEND_BACK, msg_lend_back, ROLE_BIT(SMTPD),   ROLE_BIT(QUEUE),   MSG_LEND_BACK_FIELDS) \
    M(DELIVER,   msg_deliver,   ROLE_BIT(QUEUE),   R_AGENT,           MSG_DELIVER_FIELDS)   \
    M(RESULT,    msg_result,    R_AGENT,           ROLE_BIT(QUEUE),   MSG_RESULT_FIELDS)    \
    M(RESOLVE,   msg_resolve,   R_ASKS,            ROLE_BIT(LOOKUP),  MSG_RESOLVE_FIELDS)   \
    M(RESOLVED,  msg_resolved,  ROLE_BIT(LOOKUP),  R_ASKS,            MSG_RESOLVED_FIELDS)  \
    M(WHOIS,     msg_whois,     ROLE_BIT(SMTPD) | ROLE_BIT(CONSOLE),                        \
                                ROLE_BIT(LOOKUP),                     MSG_WHOIS_FIELDS)     \
    M(WHOIS_DONE, msg_whois_done, ROLE_BIT(LOOKUP),                                         \
                                ROLE_BIT(SMTPD) | ROLE_BIT(CONSOLE),  MSG_WHOIS_DONE_FIELDS) \
    M(MECHANISMS, msg_mechanisms, ROLE_BIT(VAULT), R_SECRET,          MSG_MECHANISMS_FIELDS) \
    M(AUTH,      msg_auth,      R_SECRET,          ROLE_BIT(VAULT),   MSG_AUTH_FIELDS)      \
    M(AUTH_STEP, msg_auth_step, R_SECRET,          ROLE_BIT(VAULT),   MSG_AUTH_STEP_FIELDS) \
    M(AUTH_CANCEL, msg_auth_cancel, R_SECRET,      ROLE_BIT(VAULT),   MSG_AUTH_CANCEL_FIELDS) \
    M(AUTH_SAY,  msg_auth_say,  ROLE_BIT(VAULT),   R_SECRET,          MSG_AUTH_SAY_FIELDS)  \
    M(AUTH_DONE, msg_auth_done, ROLE_BIT(VAULT),   R_SECRET,          MSG_AUTH_DONE_FIELDS) \
    M(SIGN,      msg_sign,      ROLE_BIT(SMTPD),   ROLE_BIT(VAULT),   MSG_SIGN_FIELDS)      \
    M(SIGNED,    msg_signed,    ROLE_BIT(VAULT),   ROLE_BIT(SMTPD),   MSG_SIGNED_FIELDS)    \
    M(KICK,      msg_kick,      ROLE_BIT(SMTPD),   ROLE_BIT(QUEUE),   MSG_KICK_FIELDS)      \
    M(KICKED,    msg_kicked,    ROLE_BIT(QUEUE),   ROLE_BIT(SMTPD),   MSG_KICKED_FIELDS)    \
    M(TURN_ASK,  msg_turn_ask,  ROLE_BIT(SMTPD),   ROLE_BIT(QUEUE),   MSG_TURN_ASK_FIELDS)  \
    M(TURN_ANSWER, msg_turn_answer, ROLE_BIT(QUEUE), ROLE_BIT(SMTPD), MSG_TURN_ANSWER_FIELDS) \
    M(TURN_GO,   msg_turn_go,   ROLE_BIT(SMTPD) | ROLE_BIT(QUEUE),                          \
                                ROLE_BIT(QUEUE) | ROLE_BIT(RELAY),    MSG_TURN_GO_FIELDS)   \
    M(TURN_OVER, msg_turn_over, R_SECRET | ROLE_BIT(QUEUE),                                 \
                                ROLE_BIT(QUEUE) | ROLE_BIT(RELAY),    MSG_TURN_OVER_FIELDS) \
    M(FETCH,     msg_fetch,     ROLE_BIT(QUEUE),   ROLE_BIT(RELAY),   MSG_FETCH_FIELDS)     \
    M(FETCHED,   msg_fetched,   ROLE_BIT(RELAY),   ROLE_BIT(QUEUE),   MSG_FETCHED_FIELDS)   \
    M(ADOPT,     msg_adopt,     ROLE_BIT(RELAY) | ROLE_BIT(QUEUE),                          \
                                ROLE_BIT(QUEUE) | ROLE_BIT(SMTPD),    MSG_ADOPT_FIELDS)     \
    M(LINKSTATE, msg_linkstate, ROLE_BIT(SMTPD),   ROLE_BIT(QUEUE),   MSG_LINKSTATE_FIELDS) \
    M(LINKSTATE_DONE, msg_linkstate_done, ROLE_BIT(QUEUE), ROLE_BIT(SMTPD),                 \
                                MSG_LINKSTATE_DONE_FIELDS)                                  \
    M(EXCHANGE,  msg_exchange,  ROLE_BIT(QUEUE),   ROLE_BIT(RELAY),   MSG_EXCHANGE_FIELDS)  \
    M(EXCHANGED, msg_exchanged, ROLE_BIT(RELAY),   ROLE_BIT(QUEUE),   MSG_EXCHANGED_FIELDS) \
    M(STATUS,    msg_status,    ROLE_BIT(CONSOLE), R_ANY | R_MASTER,  MSG_STATUS_FIELDS)    \
    M(REPORT,    msg_report,    R_ANY | R_MASTER,  ROLE_BIT(CONSOLE), MSG_REPORT_FIELDS)    \
    M(QUERY,     msg_query,     ROLE_BIT(CONSOLE), ROLE_BIT(QUEUE),   MSG_QUERY_FIELDS)     \
    M(ROW,       msg_row,       R_ANY | R_MASTER,  ROLE_BIT(CONSOLE), MSG_ROW_FIELDS)       \
    M(DONE,      msg_done,      R_ANY | R_MASTER,  ROLE_BIT(CONSOLE), MSG_DONE_FIELDS)      \
    M(RELOAD,    msg_reload,    ROLE_BIT(CONSOLE), R_MASTER,          MSG_RELOAD_FIELDS)    \
    M(STOP,      msg_stop,      ROLE_BIT(CONSOLE), R_MASTER,          MSG_STOP_FIELDS)

enum message {
#define M(NAME, name, from, to, FIELDS) MSG_##NAME,
    IPC_MESSAGES(M)
#undef M
    MSG_COUNT
};

#define MEMBER(kind, name) field_##kind name;
#define M(NAME, name, from, to, FIELDS)                                     \
    struct name { FIELDS(MEMBER) };                                         \
    bool name##_put(struct wire *w, const struct name *m);                  \
    bool name##_get(struct wire *w, struct name *m);
IPC_MESSAGES(M)
#undef M
#undef MEMBER

/* The bay of an smtpd: slots for the largest bodies that may lie in it, and behind them a
 * shelf for small ones. */
enum { BODY_SHARED = 2 << 20, BAY_SLOTS = 16, SHELF_BYTES = 1 << 20,
       BAY_BYTES = BAY_SLOTS * BODY_SHARED + SHELF_BYTES };

/* What `postrider queue` and `postrider trace` ask. */
#define QUERY_VERBS(V) \
    V(LIST) V(COUNT) V(SHOW) V(RETRY) V(HOLD) V(RELEASE) V(REMOVE) V(TRACE) V(DESTINATIONS) \
    V(ROUTES) V(WHOIS) V(EXPAND)
enum query_verb {
#define V(name) QUERY_##name,
    QUERY_VERBS(V)
#undef V
    QUERY_COUNT_OF_VERBS
};
enum { QUERY_TEXT_MAX = 1024 };     /* bytes of one filter */

/* Why a login ended (RFC 4954 §6). */
enum auth_why {
    AUTH_OK = 0,
    AUTH_BAD,               /* 535 5.7.8: name or password, whichever */
    AUTH_CANCELLED,         /* 501 5.7.0 */
    AUTH_MALFORMED,         /* 501 5.5.2 */
    AUTH_NO_MECHANISM,      /* 504 5.5.4 */
    AUTH_NO_INITIAL,        /* 501 5.7.0: this mechanism begins with the server */
    AUTH_NEEDS_TLS,         /* 538 5.7.11 */
    AUTH_TOO_WEAK,          /* 534 5.7.9 */
    AUTH_TROUBLE,           /* 454 4.7.0 */
    AUTH_WHYS
};

/* What ETRN names (RFC 1985 §5). */
enum kick_kind { KICK_NODE, KICK_DOMAIN /* "@": and what is below it */, KICK_QUEUE /* "#" */,
                 KICK_KINDS };

/* Whose fault a failed attempt was: what the schedule should slow down. */
enum trouble {
    TROUBLE_NONE = 0,       /* nothing failed, or only recipients or the message */
    TROUBLE_HOST,           /* the destination as a whole: no connection, 421, no DNS */
    TROUBLE_SESSION,        /* this connection only */
    TROUBLE_LEAVING,        /* not tried: this agent is leaving, give the job to another */
    TROUBLE_COUNT
};

/* What "done" means for a report (RFC 3461 §5.2). */
enum delivery_kind {
    DELIVERY_FINAL = 0,     /* in the mailbox, or by LMTP: "delivered" */
    DELIVERY_PASSED,        /* the next host has DSN and reports itself */
    DELIVERY_RELAYED,       /* the next host has no DSN: "relayed" */
    DELIVERY_PASSED_LATE,   /* the same two, of a message with BY for a host without */
    DELIVERY_RELAYED_LATE,  /* DELIVERBY, which will not mind the time (RFC 2852 §4.1.4.2) */
    DELIVERY_KINDS
};

/* One recipient's outcome, inside RESULT and the journal. */
#define OUTCOME_FIELDS(F)                                                   \
    F(u32,   index)         /* of the recipient in the envelope */          \
    F(u8,    fate)                                                          \
    F(u8,    how)           /* enum delivery_kind; of FATE_DONE */               \
    F(u16,   code)          /* the reply's code, or 0: it was not a reply */ \
    F(bytes, status)        /* enhanced status "5.1.1", ours if the host gave none */ \
    F(bytes, text)          /* the other side's words, or ours; printable */
struct outcome {
#define MEMBER(kind, name) field_##kind name;
    OUTCOME_FIELDS(MEMBER)
#undef MEMBER
};
void outcome_put(struct wire *w, const struct outcome *o);
bool outcome_next(struct wire *w, struct outcome *o);   /* false at the end, or bad */

/* message_allowed - may `from` say this to `to`? */
bool message_allowed(uint32_t type, enum role from, enum role to);
const char *message_name(uint32_t type);
