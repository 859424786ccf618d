/* SPDX-License-Identifier: Apache-2.0
 *
 * dump: what a daemon streams to `pledge dump`, message by message (each behind two bytes of
 * length), in every form. First byte: which form. The client must not believe its server.
 */
#include "client/dump.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static int nowhere = -1;
    static struct dump dump;
    if (len < 1)
        return 0;
    if (nowhere < 0)
        nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const struct dump_options options = {
        .form = data[0] % (DUMP_IATI + 1), .fd = nowhere, .safe = (data[0] & 128) != 0};
    bool fine = true;
    size_t at = 1;
    dump_init(&dump, &options);
    while (fine && at + 2 < len) {
        size_t piece = (size_t)data[at] << 8 | data[at + 1];
        at += 2;
        if (piece > len - at)
            piece = len - at;
        fine = pl_is_ok(dump_take(&dump, pl_slice(data + at, piece)));
        at += piece;
    }
    fine = fine && pl_is_ok(dump_finish(&dump));
    FUZZ_HOLDS(!fine || dump.complete);
    dump_fini(&dump);
    return 0;
}
