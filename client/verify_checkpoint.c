/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_checkpoint: the note's form, then the checkpoint's, then the signatures, then those of
 * witnesses if a policy wants them; each has its own words. Signatures by keys that we do not have
 * are passed over.
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

/* A policy says more than keys: whose cosignatures are wanted as well. Its lines begin with words.
 */
static bool is_policy(const char *text)
{
    static const char *const words[] = {"log ", "log\t", "witness ", "group ", "quorum "};
    for (; *text != '\0'; text += strcspn(text, "\n"), text += *text == '\n') {
        for (size_t i = 0; i < PL_COUNT(words); i++) {
            if (strncmp(text, words[i], strlen(words[i])) == 0)
                return true;
        }
    }
    return false;
}

/* The logs of the policy are the keys; the rest of it is left to `policy`. */
static bool read_policy(const char *text, struct pl_arena *arena, struct pl_policy *policy,
                        struct keys *ret)
{
    char message[256];
    if (!pl_is_ok(pl_policy_parse(pl_slice_str(text), arena, policy, message)))
        return false;
    ret->count = policy->log_count < KEYS_MAX ? policy->log_count : KEYS_MAX;
    memcpy(ret->key, policy->log, ret->count * sizeof(*ret->key));
    return ret->count > 0;
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
    if (!pl_is_ok(pl_checkpoint_note(text, note, &checkpoint)))
        return N_("it is no signed checkpoint");
    (void)snprintf(ret->origin, sizeof(ret->origin), "%s", checkpoint.origin);
    ret->size = checkpoint.size;
    memcpy(ret->root, checkpoint.root.bytes, sizeof(ret->root));
    return check_signatures(note, keys, ret->origin);
}

/* Enough witnesses, and none of those that the policy names with a wrong signature. */
static const char *check_witnesses(const struct pl_note *note, const struct pl_policy *policy)
{
    struct pl_note_seen seen[PL_POLICY_WITNESSES_MAX] = {{.verified = false}};
    struct pl_status status = pl_note_verify(note, policy->witness, policy->witness_count, seen);
    if (!pl_is_ok(status) && status.code != PL_E_NOT_FOUND)
        return N_("a witness's signature of the checkpoint is wrong");
    return pl_policy_quorum(policy, seen)
               ? NULL
               : N_("fewer witnesses cosigned the checkpoint than the policy wants");
}

struct opening {
    struct keys keys;
    struct pl_policy policy;
    struct pl_note note;
    struct pl_arena arena;
};

static const char *open_with(struct opening *opening, struct pl_slice text, const char *keys,
                             struct verify_checkpoint *ret)
{
    bool witnessed = is_policy(keys);
    if (witnessed && !read_policy(keys, &opening->arena, &opening->policy, &opening->keys))
        return N_("the policy cannot be read");
    if (!witnessed && !read_keys(keys, &opening->keys))
        return N_("the key is no verifier key (name+hash+base64, as 'pledge status' shows it)");
    const char *wrong = open_note(text, &opening->keys, &opening->note, ret);
    return wrong != NULL || !witnessed ? wrong : check_witnesses(&opening->note, &opening->policy);
}

const char *verify_checkpoint_open(struct pl_slice text, const char *keys,
                                   struct verify_checkpoint *ret)
{
    struct opening *opening = calloc(1, sizeof(*opening));
    PL_ASSERT(opening != NULL);
    pl_arena_init(&opening->arena, PL_POLICY_BYTES_MAX * 4ul);
    const char *wrong = open_with(opening, text, keys, ret);
    pl_arena_fini(&opening->arena);
    free(opening);
    return wrong;
}
