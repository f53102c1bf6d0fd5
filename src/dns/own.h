/* own.h - our own addresses, so that we never connect to ourselves. */
#pragma once
#include "conf/conf.h"

struct own;

/* own_new - from the listeners; one on 0.0.0.0 or :: stands for every address
 * that this machine has now. NULL: no memory. */
struct own *own_new(const struct conf *conf);
void own_free(struct own *own);

/* own_has - does one of our listeners answer there? */
bool own_has(const struct own *own, const struct ip *ip, uint16_t port);
