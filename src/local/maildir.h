/* maildir.h - one mailbox as a directory: tmp, new and cur.
 *
 * A draft is one file. Where it stands says what it is, and what is left after
 * a power cut:
 *
 *     tmp/N  new/N   meaning
 *       -      -     nothing; the queue still has the message
 *       +      -     a draft: nobody reads it; removed on failure
 *       -      +     a message; done may be said once new/ is synced
 *
 * Nothing is ever opened by a path that somebody else may change meanwhile:
 * below the part of the template that the postmaster wrote, each step is
 * relative to an open directory and follows no symbolic link.
 */
#pragma once
#include "base/fate.h"
#include "base/slice.h"

enum { MAILDIR_PATH = 2048, MAILDIR_NAME = 160 };

struct maildir_path {
    char   text[MAILDIR_PATH];  /* with its NUL */
    size_t n;
    size_t fixed;               /* bytes that are the same for everyone; the rest is beneath */
};

/* maildir_path - the place of one recipient: in the template %d is the domain,
 * %u the local part in lower case without its +detail, %% a percent sign. False
 * and never (5.1.1) for an address that cannot be a directory's name: one that
 * is empty, over 255 bytes, begins with '.' or '-', or has '/' or control
 * bytes (A092). False and later for a template that is wrong. */
bool maildir_path(struct slice template, struct slice address,
                  struct maildir_path *path, struct why *why);

struct maildir {
    int tmp, new;               /* open directories */
};

/* maildir_open - open it, creating what is missing; a directory that was
 * created is durable when this returns. Of one that this process found whole
 * before, cur/ is not looked at again. */
bool maildir_open(struct maildir *m, const struct maildir_path *path, struct why *why);
void maildir_close(struct maildir *m);

struct draft {
    int  fd;                        /* -1: closed */
    enum { DRAFT_NONE, DRAFT_TMP, DRAFT_NEW } where;
    char name[MAILDIR_NAME];
};

/* The steps of a delivery, in the only safe order. Each is false and *why on
 * trouble; then the caller says draft_abandon. */
bool draft_create(struct draft *d, const struct maildir *m, struct why *why);
void draft_start_sync(struct draft *d);     /* a hint: begin writing to the disk, do not wait */
bool draft_sync(struct draft *d, struct why *why);     /* data is on disk */
bool draft_close(struct draft *d, struct why *why);
bool draft_publish(struct draft *d, const struct maildir *m, struct why *why);
bool maildir_sync(const struct maildir *m, struct why *why);   /* what was published is durable */

/* draft_abandon - make it vanish, wherever it stands */
void draft_abandon(struct draft *d, const struct maildir *m);

/* maildir_host - the name of this machine inside file names; before the first draft */
void maildir_host(struct slice host);
