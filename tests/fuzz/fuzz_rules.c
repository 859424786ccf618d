/* SPDX-License-Identifier: Apache-2.0
 *
 * rules: entries (each behind two bytes of length) as an auditor's tool replays them: unpacked,
 * hashed, checked against the rules of the fund. The daemon's start takes the same way.
 */
#include "client/verify_rules.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct verify_block block;
    struct verify_rules *rules = verify_rules_new();
    const char *wrong = NULL;
    size_t at = 0;
    memset(&block, 0, sizeof(block));
    pl_buf_init(&block.bytes, 1 << 24);
    pl_arena_init(&block.arena, 1 << 24);
    block.first_seq = 1;
    block.parse = true;
    while (at + 2 < len && block.count < VERIFY_TILE_HASHES) {
        size_t piece = (size_t)data[at] << 8 | data[at + 1];
        at += 2;
        if (piece > len - at)
            piece = len - at;
        if (!pl_is_ok(verify_block_add(&block, pl_slice(data + at, piece))))
            break;
        at += piece;
    }
    verify_block_work(&block);
    for (size_t i = 0; i < block.count && wrong == NULL && block.entry[i].wrong == NULL; i++) {
        if (block.entry[i].message != NULL)
            wrong = verify_rules_take(rules, &block.entry[i], verify_block_bytes(&block, i));
    }
    verify_rules_free(rules);
    pl_arena_fini(&block.arena);
    pl_buf_fini(&block.bytes);
    return 0;
}
