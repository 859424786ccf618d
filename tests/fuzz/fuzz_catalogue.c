/* SPDX-License-Identifier: Apache-2.0
 *
 * catalogue: the file of a year's offers, from JSON to one that is adopted.
 */
#include "common/json.h"
#include "common/scan.h"
#include "fuzz.h"
#include "server/ledger/catalogue.h"
#include "server/ledger/ledger.h"

static void adopt(struct pl_slice packed)
{
    struct catalogue *made = NULL;
    if (!pl_is_ok(catalogue_new(packed, 1, &made)))
        return;
    for (size_t i = 0; i < made->msg->n_tier; i++)
        FUZZ_HOLDS(catalogue_find_tier(made, made->msg->tier[i]->code) == (int)i);
    (void)catalogue_find_tier(made, "");
    catalogue_unref(made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pl_arena arena;
    ProtobufCMessage *message = NULL;
    struct pl_json_error error;
    pl_arena_init(&arena, 4 << 20);
    if (pl_is_ok(pl_json_parse(pl_slice(data, len), &pledged__v1__catalogue__descriptor, &arena,
                               &message, &error))) {
        const Pledged__V1__Refusal *refusal =
            catalogue_validate((const void *)message, LEDGER_RULES, &arena);
        struct pl_slice packed = pl_pack(message, &arena);
        if (refusal == NULL && packed.data != NULL)
            adopt(packed);
        FUZZ_HOLDS(refusal == NULL || refusal->field != NULL);
    }
    pl_arena_fini(&arena);
    return 0;
}
