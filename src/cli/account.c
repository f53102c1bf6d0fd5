/* account.c - postrider account add, remove, list, check: who may log in. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>
#include "cli/account_file.h"
#include "cli/cli.h"
#include "cli/text.h"
#include "conf/conf.h"

struct account_options {
    const char *file;
    bool        clear;
};

/* --- which file --------------------------------------------------------------- */

static void print(const struct buf *errors)
{
    struct slice text = buf_view(errors);

    if (text.n > 0)
        fwrite(text.p, 1, text.n, stderr);
}

/* file_of - --file, or what the configuration names; "" after a message: neither */

static const char *file_of(const struct cli *cli, const struct account_options *o)
{
    static char path[4096];
    struct buf errors = BUF(64 << 10);
    struct conf *conf;

    if (o->file != NULL)
        return o->file;
    conf = conf_parse_alone(cli->conf != NULL ? cli->conf : conf_usual(), &errors);
    print(&errors);
    buf_free(&errors);
    if (conf == NULL)
        return "";
    snprintf(path, sizeof path, "%.*s", SLICE(conf->accounts));
    if (path[0] == '\0')
        fputs("postrider: the configuration names no file of accounts (accounts = \"file:PATH\"); "
              "see --file\n", stderr);
    conf_free(conf);
    return path;
}

/* A run of one of the commands: what was said, and the open file. */
struct run {
    const struct cli      *cli;
    struct account_options options;
    struct text_list       words;
    struct account_file    file;
};

enum { READ = 0, CHANGE = 1, MAKE = 2 };    /* what is done with the file */

/* begin - options, words and the open file; EX_OK or the exit status */

static int begin(struct run *run, const struct verb *v, int argc, char **argv, unsigned how)
{
    struct buf errors = BUF(64 << 10);
    const char *path;
    bool open;

    if (!read_words(v, &run->options, argc, argv, &run->words))
        return EX_USAGE;
    if (run->words.n != ((how & CHANGE) ? 1 : run->words.n > 0))
        return usage_error(v, (how & CHANGE) ? "say which NAME, one" : "one NAME at most");
    path = file_of(run->cli, &run->options);
    if (path[0] == '\0')
        return EX_CONFIG;
    open = account_file_open(&run->file, path, how & CHANGE, how & MAKE, &errors);
    print(&errors);
    buf_free(&errors);
    if (open)
        return EX_OK;
    account_file_close(&run->file);
    return EX_CONFIG;
}

/* run_with - the work, between opening and closing the file */

static int run_with(const struct cli *cli, const struct verb *v, int argc, char **argv,
                    unsigned how, int (*work)(struct run *))
{
    static struct run run;
    int status;

    run = (struct run){ .cli = cli };
    status = begin(&run, v, argc, argv, how);
    if (status != EX_OK)
        return status;
    status = work(&run);
    account_file_close(&run.file);
    return status;
}

/* first - the NAME that was given, if one was */

static struct slice first(const struct run *run)
{
    return run->words.n > 0 ? slice_cstr(run->words.items[0]) : (struct slice){ 0 };
}

/* --- passwords ------------------------------------------------------------------ */

/* ask - one line without its newline; at a terminal with a prompt and without echo.
 * The length, or 0: none. */

static size_t ask(const char *prompt, char *to, size_t size)
{
    struct termios before, quiet;
    bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    bool got;

    if (terminal) {
        fputs(prompt, stderr);
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    got = fgets(to, (int)size, stdin) != NULL;
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fputs("\n", stderr);
    }
    if (!got)
        to[0] = '\0';
    to[strcspn(to, "\r\n")] = '\0';
    return strlen(to);
}

static bool complain(const char *why)
{
    fprintf(stderr, "postrider: %s\n", why);
    return false;
}

/* password - from standard input, prepared; at a terminal asked twice */

static bool password(bool twice, char to[SASL_PASSWORD_MAX + 1])
{
    char once[SASL_PASSWORD_MAX + 4], again[SASL_PASSWORD_MAX + 4];
    bool terminal = isatty(STDIN_FILENO), ok;
    size_t n = ask("Password: ", once, sizeof once);

    if (n == 0)
        return complain("no password: it is read from standard input, one line");
    if (n > SASL_PASSWORD_MAX)
        return complain("the password is too long: at most 511 bytes");
    if (twice && terminal) {
        ask("Again: ", again, sizeof again);
        ok = strcmp(once, again) == 0;
        explicit_bzero(again, sizeof again);
        if (!ok)
            return complain("these were two different passwords");
    }
    ok = password_prepare(slice_of(once, n), twice, to);
    explicit_bzero(once, sizeof once);
    return ok || complain("the password has characters that no password may have (RFC 4013)");
}

/* --- add, remove -------------------------------------------------------------------- */

static int put(struct account_file *f, struct slice name, const struct buf *line, const char *said)
{
    struct why why;

    if (!account_file_put(f, name, buf_view(line), &why)) {
        fprintf(stderr, "postrider: %s\n", why.text);
        return EX_CANTCREAT;
    }
    printf("%.*s: %s\n", SLICE(name), said);
    return EX_OK;
}

static int add_one(struct run *run)
{
    struct account_file *f = &run->file;
    struct slice name = first(run);
    char secret[SASL_PASSWORD_MAX + 1];
    struct buf line = BUF(ACCOUNTS_LINE_MAX);
    int status = EX_DATAERR;
    bool there = accounts_find(&f->accounts, name) != NULL;

    if (!account_name_ok(name)) {
        complain("not a name: prepared UTF-8 (RFC 4013) without spaces, ':' and '|', at most 255 bytes");
        return EX_DATAERR;
    }
    if (!password(true, secret))
        return EX_DATAERR;
    buf_put_slice(&line, name);
    buf_puts(&line, ":");
    if (password_make(secret, run->options.clear, &line))
        status = put(f, name, &line, there ? "password changed" : "added");
    else
        complain("the password cannot be hashed");
    explicit_bzero(secret, sizeof secret);
    if (line.p != NULL)
        explicit_bzero(line.p, line.cap);
    buf_free(&line);
    return status;
}

static int add(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    return run_with(cli, v, argc, argv, CHANGE | MAKE, add_one);
}

static int missing(const struct run *run)
{
    fprintf(stderr, "postrider: %s has no account \"%s\"\n", run->file.path, run->words.items[0]);
    return EX_NOUSER;
}

static int remove_one(struct run *run)
{
    if (accounts_find(&run->file.accounts, first(run)) == NULL)
        return missing(run);
    return put(&run->file, first(run), &BUF(1), "removed");
}

static int removal(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    return run_with(cli, v, argc, argv, CHANGE, remove_one);
}

/* --- list, check ---------------------------------------------------------------------- */

static void list_row(struct table *t, const struct account *a)
{
    char name[SASL_NAME_MAX + 1], kept[64];
    const char *cells[] = { name, kept + 1 };

    snprintf(name, sizeof name, "%.*s", SLICE(a->name));
    snprintf(kept, sizeof kept, "%s%s%s", a->secret.crypt.n > 0 ? " crypt" : "",
             a->secret.scram.n > 0 ? " SCRAM-SHA-256" : "", a->secret.clear.n > 0 ? " clear" : "");
    table_add(t, cells);
}

static void list_json(const struct account *a)
{
    json_t *row = json_pack("{s:s%, s:b, s:b, s:b}", "name", a->name.p, a->name.n, "crypt",
                            a->secret.crypt.n > 0, "scram", a->secret.scram.n > 0, "clear",
                            a->secret.clear.n > 0);

    json_dumpf(row, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(row);
}

static int list_all(struct run *run)
{
    struct table t = { .columns = 2, .heads = { "NAME", "KEPT" } };

    for (size_t i = 0; i < run->file.accounts.n; i++) {
        const struct account *a = &run->file.accounts.all[i];

        if (run->words.n > 0 && !slice_eq(a->name, first(run)))
            continue;
        if (run->cli->json)
            list_json(a);
        else
            list_row(&t, a);
    }
    if (!run->cli->json)
        table_print(&t, stdout, screen_width());
    table_free(&t);
    return EX_OK;
}

static int list(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    return run_with(cli, v, argc, argv, READ, list_all);
}

static int check_password(struct run *run)
{
    const struct account *a = accounts_find(&run->file.accounts, first(run));
    char secret[SASL_PASSWORD_MAX + 1];
    int right;

    if (a == NULL)
        return missing(run);
    if (!password(false, secret))
        return EX_DATAERR;
    right = secret_check(&a->secret, secret);
    explicit_bzero(secret, sizeof secret);
    puts(right == 1 ? "right" : right == 0 ? "wrong" : "the hash cannot be computed here");
    return right == 1 ? EX_OK : EX_NOPERM;
}

static int check_one(struct run *run)
{
    if (run->words.n > 0)
        return check_password(run);
    printf("%s: right (%zu accounts)\n", run->file.path, run->file.accounts.n);
    return EX_OK;
}

static int check(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    return run_with(cli, v, argc, argv, READ, check_one);
}

/* --- the table -------------------------------------------------------------------------- */

#define FILE_OPTION                                                                     \
    { "file", 0, OPTION_TEXT, offsetof(struct account_options, file), "FILE",           \
      "the file of accounts; else the one that the configuration names" }

static const struct option_row file_options[] = { FILE_OPTION, { 0 } };

static const struct option_row add_options[] = {
    { "clear", 0, OPTION_FLAG, offsetof(struct account_options, clear), NULL,
      "keep the password in clear text too: CRAM-MD5 (and so ATRN with fetchmail) needs it" },
    FILE_OPTION,
    { 0 },
};

const struct verb account_verbs[] = {
    { "account add",    "NAME", "Let somebody log in, or change a password", add_options, add,
      "The password is one line of standard input; at a terminal it is asked for twice.\n"
      "A hash and a verifier of it are kept; a running server takes the new file in a moment.\n" },
    { "account remove", "NAME", "Let somebody log in no more", file_options, removal, NULL },
    { "account list",   "[NAME]", "Show who may log in, and what is kept of each password",
      file_options, list, NULL },
    { "account check",  "[NAME]", "Is the file of accounts right, or is this NAME's password?",
      file_options, check,
      "With a NAME, a password is read from standard input; the exit status is 0 if it is his,\n"
      "77 if not. Without one, errors are file:line: what is wrong, and the exit status is 78.\n" },
    { 0 },
};
