/* replay.c - a fuzz target without a fuzzer: known inputs, and small damage to them.
 *
 * usage: fuzz_NAME DIRECTORY. Each file is given as it is, then cut at every
 * length, then with octets changed, always in memory of exactly its size, so
 * that a sanitizer sees one octet too far. The same inputs every time; at most
 * ROUNDS for a file. With clang, fuzzer_NAME does the same job without end.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/fuzz/target.h"

enum { FILE_MAX = 65536, ROUNDS = 4000 };

static void give(const char *p, size_t n)
{
    char *exact = malloc(n > 0 ? n : 1);

    if (exact == NULL)
        abort();
    memcpy(exact, p, n);
    LLVMFuzzerTestOneInput((const uint8_t *)exact, n);
    free(exact);
}

static void give_cuts(const char *p, size_t n)
{
    for (size_t cut = 0; cut < n && cut < ROUNDS / 4; cut++) {
        give(p, cut);
        give(p + cut, n - cut);
    }
}

/* give_changed - octets that mean something, put where they do not belong */

static void give_changed(char *p, size_t n)
{
    static const char octets[] = "\r\n.<>\"\\@[]:; -\0\xff" "09A";
    uint32_t seed = 1;

    for (unsigned i = 0; n > 0 && i < ROUNDS / 2; i++) {
        char was;
        size_t at;

        seed = seed * 1664525 + 1013904223;
        at = (seed >> 8) % n;
        was = p[at];
        p[at] = octets[(seed >> 3) % (sizeof octets - 1)];
        give(p, n);
        if (seed >> 30 != 0)    /* now and then the damage stays */
            p[at] = was;
    }
}

static int replay(const char *directory, const char *name)
{
    static char bytes[FILE_MAX];
    char path[4096];
    FILE *f;
    size_t n;

    snprintf(path, sizeof path, "%s/%s", directory, name);
    f = fopen(path, "rb");
    if (f == NULL)
        return 0;
    n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    give(bytes, n);
    give_cuts(bytes, n);
    give_changed(bytes, n);
    return 1;
}

int main(int argc, char **argv)
{
    DIR *d = argc == 2 ? opendir(argv[1]) : NULL;
    struct dirent *e;
    int files = 0;

    if (d == NULL) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    while ((e = readdir(d)) != NULL)
        if (e->d_name[0] != '.')
            files += replay(argv[1], e->d_name);
    closedir(d);
    printf("%d files\n", files);
    return files > 0 ? 0 : 1;
}
