/* SPDX-License-Identifier: Apache-2.0
 *
 * witnesses: those whom the real server/witness asks for cosignatures, and what must be true of it.
 * They keep what they cosigned (C2SP tlog-witness) and answer late, wrong, for others, with sizes
 * that are none, not at all; some forget, some are shown another history, and somebody else brings
 * them what was published before the daemon does.
 *
 * Whatever leaves must be signed, durable, in both of the notary's places, with the proof that RFC
 * 6962 makes of the model's entries; never two roots of one size. What is shown as cosigned must be
 * what the notary signed, with lines that these witnesses wrote for it, byte for byte, enough for
 * the policy, on the disk before, and never older than before. Who is told that more was cosigned
 * than it signed signs nothing any more.
 */
#ifndef SIM_WITNESSES_H
#define SIM_WITNESSES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/slice.h"
#include "tests/sim/model.h"

#define WITNESSES_POLICY "/k/policy"

struct witness_thread;
struct notary;

struct witnesses_ground {
    uint64_t seed; /* of dice of their own */
    struct pl_clock_fake *clock;
    struct model *model;
    void (*tell)(const char *line); /* what happened, for who follows the run */
};
struct witnesses_report {
    uint64_t asked, cosigned /* that the daemon showed */, refused, silenced, fed;
};

/* `on` false: there are none. */
void witnesses_begin(const struct witnesses_ground *ground, bool on);
void witnesses_end(void);
bool witnesses_on(void);
struct witnesses_report witnesses_report(void);

void witnesses_start(void); /* the daemon starts, now and then with another policy */
/* It is up; `lied`: the disk may have lost something. */
bool witnesses_started(struct witness_thread *thread, uint64_t size, bool lied);
/* What left since is looked at, and what the daemon shows. `durable`: entries, as everybody is told
 * by now; 0: nobody can say. False: the model says what was wrong. */
bool witnesses_look(struct witness_thread *thread, struct notary *notary, uint64_t durable);
/* What left and was not looked at yet: the daemon is about to be killed. */
bool witnesses_unseen(void);
bool witnesses_judge(uint64_t durable);
/* Something on the network, or somebody else, moves. */
bool witnesses_move(void);
/* All of them are honest and well from here on. */
void witnesses_repair(void);
/* It was told that more was cosigned than it signed, and nothing else by that witness since. */
bool witnesses_silenced(void);
/* Entries that everybody was shown a cosigned checkpoint of since the last start. */
uint64_t witnesses_told(void);
/* What stands behind the log's own signature of so many entries; `may`: that may be something. An
 * answer of a life before may follow another policy. */
bool witnesses_lines(struct pl_slice lines, uint64_t size, bool may);
void witnesses_late(bool late); /* answers that follow are of a life before */

#endif
