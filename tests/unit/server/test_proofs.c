/* SPDX-License-Identifier: Apache-2.0
 *
 * test_proofs: who waits for a checkpoint goes on when it is there, all of them with the same one,
 * and not later than the limit without; receipts get what they asked for; the three methods over a
 * real connection.
 */
#include "common/scan.h"
#include "server/limits.h"
#include "signed_fixture.h"

enum { ENTRIES = 700, WAITING = 20 };

struct world {
    struct office office;
    struct fixture fx;
    struct client *client;
    uint8_t body[80]; /* of the last request */
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    const struct fixture_wish wish = {.methods = proofs_methods,
                                      .method_count = proofs_method_count};
    office_open(&w->office, ENTRIES, &w->fx, &wish);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    office_close(&w->office, &w->fx, w->client);
    free(w);
    return 0;
}

/* --- waiting --- */

struct waiter {
    struct proofs_wait wait;
    unsigned gone_on;
    bool covered;
};

static void on_go(void *arg, bool covered)
{
    struct waiter *waiter = arg;
    waiter->gone_on++;
    waiter->covered = covered;
}

static void wait_for(struct world *w, struct waiter *waiter, uint64_t size)
{
    *waiter = (struct waiter){.wait = {.size = size, .go_on = on_go, .arg = waiter}};
    proofs_wait(w->office.service.proofs, &waiter->wait);
}

static void test_all_go_on_with_one_checkpoint(void **state)
{
    struct world *w = *state;
    struct waiter waiter[WAITING];
    for (size_t i = 0; i < WAITING; i++) {
        wait_for(w, &waiter[i], ENTRIES - i);
        pump_once(&w->fx, NULL);
        assert_int_equal(waiter[i].gone_on, 0);
    }
    assert_false(proofs_idle(w->office.service.proofs));
    sign_all(&w->office);
    PUMP_UNTIL(&w->fx, NULL, proofs_idle(w->office.service.proofs));
    for (size_t i = 0; i < WAITING; i++)
        assert_true(waiter[i].gone_on == 1 && waiter[i].covered);
    assert_int_equal(proofs_newest(w->office.service.proofs)->checkpoint.size, ENTRIES);
}

/* The notary signs once an hour here, but for who waits. */
static void test_who_waits_makes_the_notary_sign(void **state)
{
    struct world *w = *state;
    struct waiter waiter;
    sign_all(&w->office);
    office_grow(&w->office, 10);
    assert_true(pl_is_ok(notary_turn(w->office.notary)));
    assert_int_equal(proofs_newest(w->office.service.proofs)->checkpoint.size, ENTRIES);
    wait_for(w, &waiter, ENTRIES + 10);
    assert_int_equal(waiter.gone_on, 0);
    assert_true(pl_is_ok(notary_turn(w->office.notary)));
    PUMP_UNTIL(&w->fx, NULL, waiter.gone_on == 1);
    assert_true(waiter.covered);
}

static void test_what_is_there_is_not_waited_for(void **state)
{
    struct world *w = *state;
    struct waiter waiter;
    sign_all(&w->office);
    wait_for(w, &waiter, ENTRIES);
    assert_true(waiter.gone_on == 1 && waiter.covered);
    assert_true(proofs_idle(w->office.service.proofs));
}

static void test_nobody_waits_for_ever(void **state)
{
    struct world *w = *state;
    struct waiter never, soon;
    struct pl_clock *clock = pl_clock_system();
    int64_t began_ns = clock->mono_ns(clock);
    wait_for(w, &never, ENTRIES + 1);
    wait_for(w, &soon, ENTRIES);
    sign_all(&w->office);
    PUMP_UNTIL(&w->fx, NULL, soon.gone_on == 1);
    assert_true(soon.covered);
    assert_int_equal(never.gone_on, 0);
    PUMP_UNTIL(&w->fx, NULL, never.gone_on == 1);
    assert_false(never.covered);
    assert_true(clock->mono_ns(clock) - began_ns >= LIMIT_PROOF_WAIT_MS * 1000000LL);
    assert_true(proofs_idle(w->office.service.proofs));
}

static void test_who_waits_at_the_end_goes_on_at_once(void **state)
{
    struct world *w = *state;
    struct waiter waiter[2];
    wait_for(w, &waiter[0], ENTRIES + 1);
    wait_for(w, &waiter[1], ENTRIES);
    sign_all(&w->office);
    proofs_give_up(w->office.service.proofs);
    assert_true(waiter[0].gone_on == 1 && !waiter[0].covered);
    assert_true(waiter[1].gone_on == 1 && waiter[1].covered); /* it came just in time */
    assert_true(proofs_idle(w->office.service.proofs));
    proofs_give_up(w->office.service.proofs);
    pump_once(&w->fx, NULL);
    assert_true(waiter[0].gone_on == 1 && waiter[1].gone_on == 1);
}

static void test_who_cannot_be_served_is_told_at_once(void **state)
{
    struct world *w = *state;
    struct waiter waiter;
    notary_silence(w->office.notary, true);
    assert_true(pl_is_ok(notary_turn(w->office.notary)));
    wait_for(w, &waiter, 1);
    assert_true(waiter.gone_on == 1 && !waiter.covered);
}

static void test_going_on_may_wait_again(void **state)
{
    struct world *w = *state;
    struct waiter first, second;
    sign_all(&w->office);
    wait_for(w, &first, ENTRIES + 1);
    wait_for(w, &second, ENTRIES + 1);
    PUMP_UNTIL(&w->fx, NULL, second.gone_on == 1);
    wait_for(w, &first, ENTRIES + 1); /* the bell and the timer are as they were */
    assert_int_equal(first.gone_on, 0);
    PUMP_UNTIL(&w->fx, NULL, first.gone_on == 1);
    assert_false(first.covered);
}

/* --- receipts --- */

static struct command *command_of(struct world *w, size_t items, Pledged__V1__Role role)
{
    struct pl_arena *arena = &w->office.arena;
    struct command *command = pl_arena_alloc(arena, sizeof(*command));
    command->arena = arena;
    command->kind = COMMAND_EXECUTE;
    command->actor.role = role;
    command->item = pl_arena_alloc(arena, (items + 1) * sizeof(*command->item));
    return command;
}

static Pledged__V1__Receipt *add_receipt(struct command *command, uint64_t seq, bool want)
{
    struct command_item *item = &command->item[command->item_count++];
    Pledged__V1__Command *msg = pl_arena_alloc(command->arena, sizeof(*msg));
    pledged__v1__command__init(msg);
    msg->want_proof = want;
    item->msg = msg;
    item->receipt = pl_arena_alloc(command->arena, sizeof(*item->receipt));
    pledged__v1__receipt__init(item->receipt);
    item->receipt->seq = seq;
    item->receipt->kind = PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_NEW;
    return item->receipt;
}

static void test_receipts_get_what_they_asked_for(void **state)
{
    struct world *w = *state;
    struct command *command = command_of(w, 5, PLEDGED__V1__ROLE__ROLE_CLERK);
    const Pledged__V1__Receipt *plain = add_receipt(command, 3, false);
    assert_int_equal(proofs_wanted(command), 0);
    const Pledged__V1__Receipt *one = add_receipt(command, 600, true);
    const Pledged__V1__Receipt *two = add_receipt(command, 4, true);
    const Pledged__V1__Receipt *beyond = add_receipt(command, ENTRIES + 1, true);
    Pledged__V1__Receipt *dry = add_receipt(command, ENTRIES + 5, true);
    dry->kind = PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_DRY_RUN;
    assert_int_equal(proofs_wanted(command), ENTRIES + 1);
    proofs_attach(w->office.service.proofs, command); /* no checkpoint yet */
    assert_string_equal(one->tlog_proof, "");
    sign_all(&w->office);
    proofs_attach(w->office.service.proofs, command);
    assert_proves(&w->office, one->tlog_proof, 600, true);
    assert_proves(&w->office, two->tlog_proof, 4, true);
    assert_string_equal(plain->tlog_proof, "");
    assert_string_equal(beyond->tlog_proof, "");
    assert_string_equal(dry->tlog_proof, "");
}

static void test_a_failed_command_wants_nothing(void **state)
{
    struct world *w = *state;
    struct command *command = command_of(w, 1, PLEDGED__V1__ROLE__ROLE_CLERK);
    (void)add_receipt(command, 3, true);
    command->code = PL_E_NO_SPACE;
    assert_int_equal(proofs_wanted(command), 0);
    command->code = PL_E_OK;
    command->kind = COMMAND_QUERY;
    assert_int_equal(proofs_wanted(command), 0);
}

static void test_who_may_not_see_entries_gets_none_in_proofs(void **state)
{
    static const struct {
        Pledged__V1__Role role;
        bool sees;
    } cases[] = {{PLEDGED__V1__ROLE__ROLE_READER, false},
                 {PLEDGED__V1__ROLE__ROLE_ADMIN, false},
                 {PLEDGED__V1__ROLE__ROLE_CLERK, true},
                 {PLEDGED__V1__ROLE__ROLE_APPROVER, true},
                 {PLEDGED__V1__ROLE__ROLE_AUDITOR, true}};
    struct world *w = *state;
    sign_all(&w->office);
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct command *command = command_of(w, 1, cases[i].role);
        const Pledged__V1__Receipt *receipt = add_receipt(command, 9, true);
        proofs_attach(w->office.service.proofs, command);
        assert_proves(&w->office, receipt->tlog_proof, 9, cases[i].sees);
    }
}

static void test_an_answer_does_not_outgrow_its_limit(void **state)
{
    struct world *w = *state;
    struct command *command = command_of(w, 3000, PLEDGED__V1__ROLE__ROLE_CLERK);
    size_t bytes = 0;
    for (uint64_t i = 0; i < 3000; i++)
        (void)add_receipt(command, i % ENTRIES + 1, true);
    sign_all(&w->office);
    proofs_attach(w->office.service.proofs, command);
    for (size_t i = 0; i < 3000; i++)
        bytes += pledged__v1__receipt__get_packed_size(command->item[i].receipt);
    assert_in_range(bytes, LIMIT_PROOF_ANSWER_BYTES / 2, LIMIT_PROOF_ANSWER_BYTES);
    assert_string_not_equal(command->item[0].receipt->tlog_proof, "");
    assert_string_equal(command->item[2999].receipt->tlog_proof, "");
}

/* A tree whose files were changed proves nothing; nothing wrong leaves. */
static void test_a_damaged_tree_gives_no_proof(void **state)
{
    struct world *w = *state;
    sign_all(&w->office);
    int fd = open(in_dir(w->office.data, "tiles/0"), O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "damage", 6, 0), 6);
    assert_int_equal(close(fd), 0);
    struct command *command = command_of(w, 1, PLEDGED__V1__ROLE__ROLE_CLERK);
    const Pledged__V1__Receipt *receipt = add_receipt(command, 2, true);
    proofs_attach(w->office.service.proofs, command);
    assert_string_equal(receipt->tlog_proof, "");
}

/* --- methods --- */

#define METHOD(name_) "/pledged.v1.LedgerService/" name_

static struct exchange *ask(struct world *w, SSL_CTX *who, const char *path,
                            const ProtobufCMessage *request)
{
    uint8_t packed[64];
    size_t len = protobuf_c_message_pack(request, packed);
    if (w->client != NULL)
        client_free(w->client);
    w->client = client_new(&w->fx, who);
    const struct request r = {.path = path,
                              .type = "application/grpc",
                              .body = w->body,
                              .body_len = grpc_frame(w->body, packed, len)};
    return client_send(w->client, &r);
}

static ProtobufCMessage *answer(struct world *w, struct exchange *e,
                                const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *message = NULL;
    PUMP_UNTIL(&w->fx, w->client, e->closed);
    assert_string_equal(field_of(e, "grpc-status"), "0");
    struct pl_slice body = pl_buf_slice(&e->body);
    assert_true(pl_is_ok(pl_unpack_trusted(type, pl_slice(body.data + 5, body.len - 5),
                                           &w->office.arena, &message)));
    return message;
}

static void assert_fails(struct world *w, struct exchange *e, const char *code)
{
    PUMP_UNTIL(&w->fx, w->client, e->closed);
    assert_string_equal(field_of(e, "grpc-status"), code);
}

static void test_get_checkpoint(void **state)
{
    struct world *w = *state;
    const Pledged__V1__GetCheckpointRequest request = PLEDGED__V1__GET_CHECKPOINT_REQUEST__INIT;
    struct exchange *e = ask(w, w->fx.clerk, METHOD("GetCheckpoint"), &request.base);
    pump_for(&w->fx, w->client, 20);
    assert_false(e->closed); /* there is none yet */
    sign_all(&w->office);
    const Pledged__V1__GetCheckpointResponse *got =
        (void *)answer(w, e, &pledged__v1__get_checkpoint_response__descriptor);
    struct pl_note_key key = office_key(&w->office);
    struct pl_checkpoint checkpoint;
    assert_true(
        pl_is_ok(pl_checkpoint_open(pl_slice_str(got->checkpoint), &key, 1, &checkpoint, NULL)));
    assert_int_equal(checkpoint.size, ENTRIES);
    assert_int_equal(got->size, ENTRIES);
}

static void test_get_inclusion_proof(void **state)
{
    struct world *w = *state;
    Pledged__V1__GetInclusionProofRequest request = PLEDGED__V1__GET_INCLUSION_PROOF_REQUEST__INIT;
    sign_all(&w->office);
    for (uint64_t seq = 1; seq <= ENTRIES; seq += 233) {
        uint8_t entry[512];
        size_t len = signed_entry(seq, entry);
        request.seq = seq;
        struct exchange *e = ask(w, w->fx.auditor, METHOD("GetInclusionProof"), &request.base);
        const Pledged__V1__GetInclusionProofResponse *got =
            (void *)answer(w, e, &pledged__v1__get_inclusion_proof_response__descriptor);
        assert_proves(&w->office, got->tlog_proof, seq, true);
        assert_int_equal(got->leaf_index, seq - 1);
        assert_int_equal(got->size, ENTRIES);
        assert_true(pl_slice_eq(pl_slice(got->entry.data, got->entry.len), pl_slice(entry, len)));
    }
    request.seq = 0;
    assert_fails(w, ask(w, w->fx.clerk, METHOD("GetInclusionProof"), &request.base), "3");
    request.seq = ENTRIES + 1;
    assert_fails(w, ask(w, w->fx.clerk, METHOD("GetInclusionProof"), &request.base), "5");
}

static void test_get_consistency_proof(void **state)
{
    static const uint64_t sizes[] = {0, 1, 255, 256, 257, 512, ENTRIES - 1, ENTRIES};
    struct world *w = *state;
    Pledged__V1__GetConsistencyProofRequest request =
        PLEDGED__V1__GET_CONSISTENCY_PROOF_REQUEST__INIT;
    struct pl_merkle_hash leaf[ENTRIES], old_root, root;
    for (uint64_t seq = 1; seq <= ENTRIES; seq++)
        signed_leaf(seq, &leaf[seq - 1]);
    pl_merkle_root_of(leaf, ENTRIES, &root);
    sign_all(&w->office);
    for (size_t i = 0; i < PL_COUNT(sizes); i++) {
        request.old_size = sizes[i];
        struct exchange *e = ask(w, w->fx.clerk, METHOD("GetConsistencyProof"), &request.base);
        const Pledged__V1__GetConsistencyProofResponse *got =
            (void *)answer(w, e, &pledged__v1__get_consistency_proof_response__descriptor);
        struct pl_merkle_proof proof = {.count = got->n_hash};
        for (size_t k = 0; k < got->n_hash; k++)
            memcpy(proof.hash[k].bytes, got->hash[k].data, PL_MERKLE_BYTES);
        pl_merkle_root_of(leaf, sizes[i], &old_root);
        assert_true(
            pl_is_ok(pl_merkle_check_consistency(sizes[i], ENTRIES, &old_root, &root, &proof)));
        assert_int_equal(got->size, ENTRIES);
    }
    request.old_size = ENTRIES + 1;
    assert_fails(w, ask(w, w->fx.clerk, METHOD("GetConsistencyProof"), &request.base), "3");
}

static void test_without_a_checkpoint_there_is_no_proof(void **state)
{
    struct world *w = *state;
    notary_silence(w->office.notary, true);
    assert_true(pl_is_ok(notary_turn(w->office.notary)));
    Pledged__V1__GetInclusionProofRequest one = PLEDGED__V1__GET_INCLUSION_PROOF_REQUEST__INIT;
    const Pledged__V1__GetCheckpointRequest none = PLEDGED__V1__GET_CHECKPOINT_REQUEST__INIT;
    one.seq = 1;
    assert_fails(w, ask(w, w->fx.clerk, METHOD("GetInclusionProof"), &one.base), "14");
    assert_fails(w, ask(w, w->fx.clerk, METHOD("GetCheckpoint"), &none.base), "14");
}

#define CASE(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_all_go_on_with_one_checkpoint),
        CASE(test_who_waits_makes_the_notary_sign),
        CASE(test_what_is_there_is_not_waited_for),
        CASE(test_nobody_waits_for_ever),
        CASE(test_who_waits_at_the_end_goes_on_at_once),
        CASE(test_who_cannot_be_served_is_told_at_once),
        CASE(test_going_on_may_wait_again),
        CASE(test_receipts_get_what_they_asked_for),
        CASE(test_a_failed_command_wants_nothing),
        CASE(test_who_may_not_see_entries_gets_none_in_proofs),
        CASE(test_an_answer_does_not_outgrow_its_limit),
        CASE(test_a_damaged_tree_gives_no_proof),
        CASE(test_get_checkpoint),
        CASE(test_get_inclusion_proof),
        CASE(test_get_consistency_proof),
        CASE(test_without_a_checkpoint_there_is_no_proof),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
