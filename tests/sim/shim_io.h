/* SPDX-License-Identifier: Apache-2.0
 *
 * shim_io: put before server/store/io.c when it is compiled for the simulator: its system calls
 * reach the simulated disk. The headers come first, so that only calls are renamed.
 */
#ifndef SIM_SHIM_IO_H
#define SIM_SHIM_IO_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tests/sim/disk.h"

/* Members of struct io have the same names as calls; they are renamed alike in this one file. */
#define open                                 disk_open
#define close                                disk_close
#define fstat                                disk_fstat
#define pread                                disk_pread
#define pwrite                               disk_pwrite
#define fdatasync                            disk_fdatasync
#define fsync                                disk_fsync
#define posix_fadvise(fd_, from_, len_, as_) disk_forget(fd_)
#define rename                               disk_rename
#define unlink                               disk_unlink
#define opendir                              disk_opendir
#define readdir                              disk_readdir
#define closedir                             disk_closedir
#define statvfs(path_, into_)                disk_statvfs(path_, into_)
#define stat(path_, into_)                   disk_stat(path_, into_)

#endif
