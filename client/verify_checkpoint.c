/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_checkpoint: the note's form, then the checkpoint's, then the signatures; each has its own
 * words. Signatures by keys that we do not have are passed over.
 */
#include "client/verify_checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/text.h"
#include "common/check.h"
#include "common/tlog.h"

enum { KEYS_MAX = 32 };

struct keys {
    struct pl_note_key key[KEYS_MAX];
    size_t count;
};

static struct pl_slice trim(struct pl_slice line)
{
    while (line.len > 0 && strchr("\r\n\t ", line.data[line.len - 1]) != NULL)
        line.len--;
    return line;
}

/* One key a line; empty lines and comments between them. */
static bool read_keys(const char *text, struct keys *ret)
{
    ret->count = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        struct pl_slice line = trim(pl_slice(text, len));
        text += len + (text[len] == '\n');
        if (line.len == 0 || line.data[0] == '#')
            continue;
        if (ret->count == KEYS_MAX || !pl_is_ok(pl_note_key_parse(line, &ret->key[ret->count])) ||
            ret->key[ret->count].kind != PL_NOTE_ED25519)
            return false;
        ret->count++;
    }
    return ret->count > 0;
}

static const char *check_signatures(const struct pl_note *note, const struct keys *keys,
                                    const char *origin)
{
    struct pl_note_seen seen[KEYS_MAX];
    struct pl_status status = pl_note_verify(note, keys->key, keys->count, seen);
    if (status.code == PL_E_NOT_FOUND)
        return N_("no key that was given signed the checkpoint");
    if (!pl_is_ok(status))
        return N_("the signature of the checkpoint is wrong");
    for (size_t i = 0; i < keys->count; i++) {
        if (seen[i].verified && strcmp(keys->key[i].name, origin) == 0)
            return NULL;
    }
    return N_("the key that signed the checkpoint is that of another ledger");
}

static const char *open_note(struct pl_slice text, const struct keys *keys, struct pl_note *note,
                             struct verify_checkpoint *ret)
{
    struct pl_checkpoint checkpoint;
    if (!pl_is_ok(pl_note_parse(text, note)) ||
        !pl_is_ok(pl_checkpoint_parse(note->text, &checkpoint)))
        return N_("it is no signed checkpoint");
    (void)snprintf(ret->origin, sizeof(ret->origin), "%s", checkpoint.origin);
    ret->size = checkpoint.size;
    memcpy(ret->root, checkpoint.root.bytes, sizeof(ret->root));
    return check_signatures(note, keys, ret->origin);
}

const char *verify_checkpoint_open(struct pl_slice text, const char *keys,
                                   struct verify_checkpoint *ret)
{
    struct keys known;
    if (!read_keys(keys, &known))
        return N_("the key is no verifier key (name+hash+base64, as 'pledge status' shows it)");
    struct pl_note *note = malloc(sizeof(*note));
    PL_ASSERT(note != NULL);
    const char *wrong = open_note(text, &known, note, ret);
    free(note);
    return wrong;
}
