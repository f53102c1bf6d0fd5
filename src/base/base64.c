/* base64.c - groups of four characters for three bytes. */
#include "base/ascii.h"
#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* put_group - four characters for the n (1 to 3) bytes at p */

static void put_group(char to[4], const char *p, size_t n)
{
    uint32_t bits = (uint32_t)(unsigned char)p[0] << 16;

    if (n > 1)
        bits |= (uint32_t)(unsigned char)p[1] << 8;
    if (n > 2)
        bits |= (unsigned char)p[2];
    to[0] = alphabet[bits >> 18];
    to[1] = alphabet[bits >> 12 & 63];
    to[2] = n > 1 ? alphabet[bits >> 6 & 63] : '=';
    to[3] = n > 2 ? alphabet[bits & 63] : '=';
}

bool base64_put(struct buf *out, struct slice bytes)
{
    size_t groups = bytes.n / 3 + (bytes.n % 3 != 0), n;
    char *to;

    if (groups == 0)
        return true;
    if (__builtin_mul_overflow(groups, 4, &n))
        n = SIZE_MAX;           /* which no buffer has room for */
    to = buf_room(out, n);
    if (to == NULL)
        return false;
    for (size_t i = 0; i < groups; i++)
        put_group(to + 4 * i, bytes.p + 3 * i, bytes.n - 3 * i < 3 ? bytes.n - 3 * i : 3);
    buf_added(out, groups * 4);
    return true;
}

/* value_of - of one character, or -1 */

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (ascii_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* take_group - the n (1 to 3) bytes that four characters stand for. False: a
 * character that does not belong, or bits that no byte needs are not zero. */

static bool take_group(char to[3], const char *p, size_t n)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < 4; i++) {
        int v = i <= n ? value_of(p[i]) : 0;

        if (v < 0 || (i > n && p[i] != '='))
            return false;
        bits = bits << 6 | (uint32_t)v;
    }
    to[0] = (char)(bits >> 16);
    to[1] = (char)(bits >> 8 & 255);
    to[2] = (char)(bits & 255);
    return (n > 1 || to[1] == 0) && (n > 2 || to[2] == 0);
}

/* last_bytes - how many bytes the last group stands for */

static size_t last_bytes(struct slice text)
{
    if (text.p[text.n - 1] != '=')
        return 3;
    return text.p[text.n - 2] != '=' ? 2 : 1;
}

static bool take_all(char *to, struct slice text, size_t n)
{
    char group[3];

    for (size_t at = 0; at < n; at += 3) {
        size_t bytes = n - at < 3 ? n - at : 3;

        if (!take_group(group, text.p + at / 3 * 4, bytes))
            return false;
        memcpy(to + at, group, bytes);
    }
    return true;
}

bool base64_take(struct buf *out, struct slice text)
{
    size_t n;
    char *to;

    if (text.n == 0)
        return true;
    if (text.n % 4 != 0)
        return false;
    n = text.n / 4 * 3 - 3 + last_bytes(text);
    to = buf_room(out, n);
    if (to == NULL || !take_all(to, text, n))
        return false;
    buf_added(out, n);
    return true;
}
