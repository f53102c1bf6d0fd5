/* balancer.h - a connection from a load balancer, until its PROXY line is read.
 *
 * Not one octet behind that line is taken: what follows is the client's, be it text or a
 * TLS handshake. Whoever is listed as a balancer must send it; nobody else is asked.
 */
#pragma once
#include "smtpd/client.h"

/* balancer_is - must a connection to this listener from `peer` begin with a PROXY line? */
bool balancer_is(const struct conf_listen *listen, const struct ip *peer);

/* balancer_new - read the line, then go on with client_new(); or close */
void balancer_new(struct smtpd *d, const struct conf_listen *listen, int fd,
                  const struct ip *peer);
