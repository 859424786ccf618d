/* SPDX-License-Identifier: Apache-2.0
 *
 * disk: what a durable write costs on this disk, by the file system call that a log lives on.
 */
#ifndef BENCH_DISK_H
#define BENCH_DISK_H

#include "tests/bench/load.h"
#include "tests/bench/options.h"

/* 4 KiB after 4 KiB into a file that was written and synced before, each with its fdatasync; the
 * file is removed. Times are in ret->good. */
PL_MUST_CHECK struct pl_status disk_run(const struct bench_options *options,
                                        struct load_result *ret);

#endif
