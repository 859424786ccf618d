/* SPDX-License-Identifier: Apache-2.0
 *
 * profile: the client's configuration file. What is refused is refused with words.
 */
#include "client/config.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct failure failure;
    static struct options options;
    char path[FUZZ_PATH_BYTES];
    struct pl_arena arena;
    struct config config = {0};
    if (len < 1 || len > 16384)
        return 0;
    fuzz_file("pledge.conf", pl_slice(data + 1, len - 1), path);
    memset(&options, 0, sizeof(options));
    memset(&failure, 0, sizeof(failure));
    options.value[OPTION_CONFIG].text[0] = path;
    options.value[OPTION_CONFIG].count = 1;
    options.value[OPTION_PROFILE].text[0] = "clerk";
    options.value[OPTION_PROFILE].count = data[0] & 1;
    pl_arena_init(&arena, 1 << 20);
    struct pl_status status = config_load(&options, false, &arena, &config, &failure);
    FUZZ_HOLDS(pl_is_ok(status) || failure.message[0] != '\0');
    pl_arena_fini(&arena);
    return 0;
}
