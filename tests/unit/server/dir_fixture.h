/* SPDX-License-Identifier: Apache-2.0
 *
 * dir_fixture: temporary directories that go away with all they hold, and small files in them.
 */
#ifndef TEST_SERVER_DIR_FIXTURE_H
#define TEST_SERVER_DIR_FIXTURE_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static inline char *temp_new(void)
{
    const char *base = getenv("TMPDIR");
    char *path = NULL;
    if (asprintf(&path, "%s/pledged-test-XXXXXX", base != NULL ? base : "/tmp") < 0 ||
        mkdtemp(path) == NULL)
        abort();
    return path;
}

static inline int temp_remove_one(const char *path, const struct stat *stat, int type,
                                  struct FTW *walk)
{
    (void)stat;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline void temp_remove(char *path)
{
    (void)nftw(path, temp_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

/* DIR/NAME; valid until the eighth call after this one. */
static inline const char *in_dir(const char *dir, const char *name)
{
    static char path[8][600];
    static unsigned turn;
    char *out = path[turn++ % 8];
    (void)snprintf(out, sizeof(path[0]), "%s/%s", dir, name);
    return out;
}

static inline void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
}

/* The text of a small file; "" if there is none. Valid until the next call. */
static inline const char *read_text(const char *path)
{
    static char text[8192];
    FILE *file = fopen(path, "re");
    text[0] = '\0';
    if (file == NULL)
        return text;
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    (void)fclose(file);
    return text;
}

/* Turns over one bit of a file. */
static inline void damage(const char *path, off_t at)
{
    unsigned char byte = 0;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || pread(fd, &byte, 1, at) != 1)
        abort();
    byte ^= 0x10;
    if (pwrite(fd, &byte, 1, at) != 1 || close(fd) != 0)
        abort();
}

#endif
