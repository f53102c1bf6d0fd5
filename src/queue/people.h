/* people.h - what a person may ask of the queue, and the rows of the answers.
 *
 * The contract between the queue and `postrider queue` / `postrider trace`.
 * A QUERY (ipc/messages.h) is answered by any number of ROW frames, each the
 * JSON text of one object, and one DONE: fate DONE with the number of messages
 * found or changed, NEVER with a text when the question makes no sense, LATER
 * when the change could not be made durable.
 *
 * Times are RFC 3339 in UTC with milliseconds ("2026-11-22T01:02:03.004Z").
 * Ids are the 13 characters of base/id.h. A field that does not apply is left
 * out. States: "ready", "leased", "deferred", "held". Filters (sender,
 * recipient, destination: globs with * and ?, case ignored; state; older;
 * newer; id) are joined by AND, for every verb but TRACE and DESTINATIONS. A
 * message matches `state` and `destination` when any waiting part of it does.
 *
 * LIST: one row a message, oldest first, at most `limit`:
 *     id            text
 *     state         of its most lively part: leased, ready, deferred, held
 *     sender        text; "" is the null sender
 *     recipients    array of the addresses still waiting, at most 100
 *     pending       number of recipients still waiting
 *     size          bytes of the body
 *     arrived       time
 *     next          time of the next attempt (deferred)
 *     attempts      number, the most of any part
 *     destination   text as in MSG_DELIVER, of the part that `state` tells
 *     reason        why it waits: the other side's words, the destination's
 *                   trouble, or "held by a person", "held by route", "held until
 *                   ... on the sender's request"
 *     priority      number, -9 to 9 (MT-PRIORITY)
 *     hold_until    time (FUTURERELEASE)
 *     deliver_by    time (DELIVERBY), and deliver_by_mode: "R" or "N", with a "T"
 *     verb          "SEND", "SOML" or "SAML"
 *
 * COUNT: one row: { messages, recipients, bytes, ready, leased, deferred, held }
 *     the last four count recipients of the messages found.
 *
 * SHOW: one row a message: the fields of LIST, and
 *     client, helo, protocol, listener, session   how it came (text)
 *     tls, account, auth, xforward, solicit       the same (text)
 *     ret, envid    text (DSN; envid decoded)
 *     flags         array of words: 8BIT, BODY=8BITMIME, BODY=BINARYMIME, BARE,
 *                   SMTPUTF8, REQUIRETLS, TLS-REQUIRED=NO, SINK, REPORT, TLS,
 *                   AUTHENTICATED
 *     expires       time
 *     parts         array of { destination, state, attempts, next, reason, host,
 *                              sender (when it is not the message's), recipients }
 *                   with recipients an array of { address, original, expanded,
 *                   notify, orcpt, rrvs, status, code, text }: status, code and
 *                   text of its last attempt
 *     done          array of { address, original, fate: "delivered" | "failed",
 *                              time, host, code, status, text }: finished recipients
 *
 * RETRY, HOLD, RELEASE, REMOVE: no rows; DONE.count messages were changed. At
 *     least one filter (or id) is needed: "*" as sender means all. RETRY makes
 *     deferred parts ready, forgets the destination's back-off, and lets go
 *     what a route holds; RELEASE lets go what a person, a route or its sender
 *     holds. REMOVE of a message being delivered takes effect when the agent has
 *     answered.
 *
 * TRACE: by id, or by an address in `recipient` (exact, case ignored; matches
 *     sender and recipients). One row an event, oldest first:
 *     id, time      always
 *     event         received, attempt, delivered, deferred, failed, expired,
 *                   bounced, notified, warned, removed, held, released, waiting
 *     received:     sender, recipients (array), size, client, helo, protocol, session
 *     delivered, deferred, failed, expired: one a recipient: recipient, host,
 *                   code, status, text, note, attempts, next (deferred)
 *     bounced, notified, warned: report (the id of the report), to
 *     removed:      by ("delivery": all recipients are finished; "person")
 *     held:         text
 *     waiting:      the last row of a message still in the queue: the fields of
 *                   LIST. It says what will happen next.
 *
 * DESTINATIONS: one row a destination known to the schedule:
 *     destination, state ("ok", "trouble"), ready, leased, deferred, held
 *     (numbers of messages), window (attempts at once), reason, next (time of
 *     the next probe, when in trouble), failures (in a row)
 */
#pragma once
#include "ipc/messages.h"

struct queue;
struct peer;

/* people_query - begin to answer; false: malformed, cut the peer off */
bool people_query(struct queue *q, struct peer *p, const struct msg_query *m);

/* people_work - go on with answers begun; true while there is more to do */
bool people_work(struct queue *q);

/* people_gone - the asker has gone: forget its questions */
void people_gone(struct queue *q, struct peer *p);
