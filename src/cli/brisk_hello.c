/* brisk_hello.c - what the client says first: all that it knows (RFC 8446 section 4.1.2). */
#include <openssl/rand.h>
#include <stdlib.h>
#include "cli/brisk.h"

enum { HELLO_MAX = 512, NAME_BYTES = 255 };

static void put_number(struct buf *to, size_t n, size_t bytes)
{
    while (bytes-- > 0)
        buf_put(to, (char[]){ (char)(n >> 8 * bytes) }, 1);
}

static void put_name(struct buf *to, struct slice name)
{
    if (name.n == 0 || name.n > NAME_BYTES)
        return;
    put_number(to, 0, 2);               /* server_name */
    put_number(to, name.n + 5, 2);
    put_number(to, name.n + 3, 2);
    put_number(to, 0, 1);
    put_number(to, name.n, 2);
    buf_put_slice(to, name);
}

/* put_extensions - what we know, and that tickets are welcome, as with everybody */

static void put_extensions(struct buf *to, struct slice name, struct slice share)
{
    put_name(to, name);
    buf_put_slice(to, SLICE_LIT("\0\x0a\0\4\0\2\0\x1d"                  /* groups: X25519 */
                                "\0\x0d\0\x08\0\6\4\3\x08\4\4\1"        /* signatures; the last is
                                                                          for certificates only */
                                "\0\x2b\0\3\2\3\4"                      /* version: 1.3 */
                                "\0\x2d\0\2\1\1"                        /* resumption: with DHE */
                                "\0\x33\0\x26\0\x24\0\x1d\0\x20"));     /* share: X25519, */
    buf_put_slice(to, share);
}

static void put_hello(struct brisk *b, struct slice name, struct slice share, struct slice random)
{
    struct buf extensions = BUF(HELLO_MAX);

    put_extensions(&extensions, name, share);
    put_number(&b->said, 1, 1);                                 /* ClientHello */
    put_number(&b->said, 2 + random.n + 1 + 4 + 2 + 2 + extensions.n, 3);
    put_number(&b->said, 0x0303, 2);
    buf_put_slice(&b->said, random);
    buf_put_slice(&b->said, SLICE_LIT("\0" "\0\2\x13\1" "\1\0"));       /* session, suite, compression */
    put_number(&b->said, extensions.n, 2);
    buf_put_slice(&b->said, buf_view(&extensions));
    b->said.full |= extensions.full;
    buf_free(&extensions);
}

/* --- shares ---------------------------------------------------------------------------------- */

/* Each is used once, by whoever comes first. */
static struct { EVP_PKEY **keys; size_t n; } prepared;

static EVP_PKEY *share_make(void)
{
    EVP_PKEY *key = NULL;

    return EVP_PKEY_generate(brisk_tools()->shares, &key) == 1 ? key : NULL;
}

static EVP_PKEY *share_take(void)
{
    return prepared.n > 0 ? prepared.keys[--prepared.n] : share_make();
}

bool brisk_prepare(size_t n)
{
    if (brisk_tools() == NULL || prepared.keys != NULL)
        return false;
    prepared.keys = calloc(n + 1, sizeof *prepared.keys);
    while (prepared.keys != NULL && prepared.n < n && (prepared.keys[prepared.n] = share_make()) != NULL)
        prepared.n++;
    return prepared.keys != NULL && prepared.n == n;
}

void brisk_forget(void)
{
    while (prepared.n > 0)
        EVP_PKEY_free(prepared.keys[--prepared.n]);
    free(prepared.keys);
    prepared.keys = NULL;
}

/* --- the message ------------------------------------------------------------------------------ */

bool brisk_hello(struct brisk *b, const char *name)
{
    unsigned char random[32], share[BRISK_SHARE];
    size_t n = sizeof share;

    b->share = share_take();
    if (b->share == NULL || EVP_PKEY_get_raw_public_key(b->share, share, &n) != 1
        || RAND_bytes(random, sizeof random) != 1)
        return false;
    put_hello(b, slice_cstr(name), slice_of((char *)share, n), slice_of((char *)random, sizeof random));
    b->heard = b->said.n;
    buf_put_slice(&b->out, SLICE_LIT("\x16\3\1"));
    put_number(&b->out, b->said.n, 2);
    buf_put_slice(&b->out, buf_view(&b->said));
    return !b->said.full && !b->out.full;
}
