/* SPDX-License-Identifier: Apache-2.0
 *
 * verify: what an auditor is handed: a dump, or a proof, judged with a key that never signed it. It
 * may be called anything but authentic.
 */
#include "client/verify.h"
#include "fuzz.h"

static const char key[] = "wsis.example+6d3f9a3c+AXXPs5jnTnVzWAgoAmnRSyQBJmeBJnLGLwTpYJUJZnSU\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct verify_report report;
    char path[FUZZ_PATH_BYTES];
    if (len > 65536)
        return 0;
    fuzz_file("handed-over", pl_slice(data, len), path);
    const struct verify_options options = {.path = path, .keys = key, .threads = 1};
    memset(&report, 0, sizeof(report));
    if (pl_is_ok(verify_run(&options, &report)))
        FUZZ_HOLDS(verify_exit(&report) != 0);
    return 0;
}
