/* SPDX-License-Identifier: Apache-2.0
 *
 * model: what the ledger must be, slow and obvious: every entry that was ever seen durable, the
 * state after each of them, and what the daemon told for each request id. It shares no code with
 * server/ledger but the messages.
 */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"
#include "pledged/v1/entry.pb-c.h"
#include "tests/sim/books.h"

/* Of sets of roles. */
#define ROLE(name_) (1u << PLEDGED__V1__ROLE__ROLE_##name_)

enum { MODEL_TIERS = 4, MODEL_ID = 16, MODEL_STEPS = 32, MODEL_PERSONS = 16 };

struct model_entry {
    uint8_t *bytes; /* owns */
    size_t len;
    int64_t time_us;
    uint8_t request[MODEL_ID];
    bool by_command;
    int32_t taken[MODEL_TIERS]; /* after this entry */
};

struct model_stage { /* of one pledge, from this entry on */
    uint64_t seq;
    int stage;
};
struct model_pledge {
    int tier; /* -1: free */
    char contributor[16];
    int64_t expires_us;
    struct model_stage course[MODEL_STEPS];
    int steps;
    int64_t amount; /* promised */
};

struct model_asked { /* a request id that a client came up with */
    uint8_t request[MODEL_ID];
};

struct model_told { /* the verdict of one request id, once and for ever */
    uint8_t request[MODEL_ID];
    uint64_t seq;
    uint8_t *verdict; /* owns; packed receipt or refusal, without the word for replays */
    size_t len;
    bool receipt;
};

struct model_person {
    char name[BOOKS_PERSON];
    char identity[40];
    int role;
};

struct model {
    struct model_entry *entry; /* owns; [seq - 1] */
    size_t entries, entry_cap;
    struct model_pledge *pledge; /* owns; P000001 is [0] */
    size_t pledges, pledge_cap;
    struct model_asked *asked; /* owns */
    size_t askeds, asked_cap;
    struct model_told *told; /* owns */
    size_t tolds, told_cap;
    bool catalogue; /* there is one */
    size_t contributors;
    struct books books;
    struct model_person roster[MODEL_PERSONS]; /* as the last entry about it says */
    size_t persons;
    bool roles; /* who may give which command is asked at the door, so that entries show it */
    bool clock_jumped; /* expiry is not judged by time from then on */
    uint64_t told_max; /* highest seq that was told to anybody */
    char error[300];   /* the first thing that was wrong; "" */
};

void model_init(struct model *model);
void model_fini(struct model *model);
/* A client sends this request, perhaps once more: entries may come of it from now on. */
void model_ask(struct model *model, const uint8_t request[MODEL_ID]);
/* The entry that follows, or one that is known already and must be the same. False: wrong, and why.
 */
bool model_see(struct model *model, uint64_t seq, struct pl_slice bytes);
/* What the daemon said about a request id. seq 0: nothing was recorded, nothing to check. */
bool model_tell(struct model *model, const uint8_t request[MODEL_ID], uint64_t seq,
                struct pl_slice verdict, bool receipt);
/* First entry of this request id; 0: none. */
uint64_t model_find(const struct model *model, const uint8_t request[MODEL_ID]);
/* Bits of the roles that may give this command. */
unsigned model_roles(int command_case);
/* The first thing that is wrong; always false. */
__attribute__((format(printf, 2, 3))) bool model_wrong(struct model *model, const char *format,
                                                       ...);
/* P000007 is 6; SIZE_MAX: not such an id. */
size_t model_number(const char *id, char letter);
/* A list with room for one more. */
void *model_grow(void *list, size_t count, size_t *cap, size_t size);
/* Stage of a pledge after this entry. */
int model_stage_at(const struct model *model, size_t pledge, uint64_t seq);

#endif
