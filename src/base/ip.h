/* ip.h - an address of the Internet, version 4 or 6, and networks of them. */
#pragma once
#include <sys/socket.h>
#include "base/slice.h"

enum { IP_TEXT = 46 };      /* longest text, with its NUL */

struct ip {
    uint8_t family;         /* 4, 6, or 0: none (a UNIX socket) */
    uint8_t bytes[16];      /* network order; 4 or 16 of them count */
};

struct ip_net {
    struct ip ip;
    unsigned  bits;         /* of the prefix */
};

/* ip_parse - "192.0.2.1" or "2001:db8::1", in their canonical forms only:
 * four decimal parts, no zone, no brackets. ::ffff:a.b.c.d becomes IPv4. */
bool ip_parse(struct slice text, struct ip *ip);

/* ip_text - the usual text with a NUL; "" for none; returns text */
char *ip_text(const struct ip *ip, char text[IP_TEXT]);

/* ip_literal - as an address literal: [192.0.2.1], [IPv6:2001:db8::1]
 * (RFC 5321 §4.1.3); returns text */
char *ip_literal(const struct ip *ip, char text[IP_TEXT + 8]);

/* ip_net_parse - "192.0.2.0/24" or one address; bits beyond the prefix must be zero */
bool ip_net_parse(struct slice text, struct ip_net *net);
bool ip_net_has(const struct ip_net *net, const struct ip *ip);

bool ip_eq(const struct ip *a, const struct ip *b);
bool ip_is_loopback(const struct ip *ip);       /* 127/8, ::1 */
bool ip_is_unspecified(const struct ip *ip);    /* 0/8, :: */

/* ip_from_sockaddr, ip_to_sockaddr - v4-mapped addresses become IPv4.
 * ip_to_sockaddr returns the length used. */
bool ip_from_sockaddr(const struct sockaddr *sa, struct ip *ip, uint16_t *port);
socklen_t ip_to_sockaddr(const struct ip *ip, uint16_t port,
                         struct sockaddr_storage *sa);
