/* Makes the n-th system call that changes a file below a folder fail, counted over all processes of a life.
 *
 * FAULT_PLACE  the folder           FAULT_COUNT  a file of 16 bytes: calls so far, calls that failed
 * FAULT_AT     n, from 1            FAULT_ERRNO  what they fail with
 * FAULT_LOG    a line for each      FAULT_ON     1: every call from the n-th on; 0: that one alone
 * FAULT_KIND   write: what writes, makes, names or removes; open: what takes a descriptor, anywhere
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static const char *place;
static long *count;
static long at;
static int failure, on, opens, armed;

__attribute__((constructor)) static void prepare(void)
{
    const char *file = getenv("FAULT_COUNT");
    place = getenv("FAULT_PLACE");
    if (!file || !place || !getenv("FAULT_AT")) return;
    at = atol(getenv("FAULT_AT"));
    failure = atoi(getenv("FAULT_ERRNO"));
    on = !strcmp(getenv("FAULT_ON"), "1");
    opens = !strcmp(getenv("FAULT_KIND"), "open");
    int fd = syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    count = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    armed = count != MAP_FAILED;
}

static void note(const char *call, const char *path)
{
    const char *file = getenv("FAULT_LOG");
    struct timespec now;
    char line[1200];
    if (!file) return;
    int fd = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int size = snprintf(line, sizeof line, "%ld.%09ld %s %.900s\n", now.tv_sec, now.tv_nsec, call, path);
    syscall(SYS_write, fd, line, size);
    syscall(SYS_close, fd);
}

/* Whether this call is one that fails; errno is set then. */
static int fails(const char *call, const char *path)
{
    long number = __sync_add_and_fetch(&count[0], 1);
    if (on ? number < at : number != at) return 0;
    __sync_add_and_fetch(&count[1], 1);
    note(call, path);
    errno = failure;
    return 1;
}

static int below(const char *path)
{
    char full[4096], here[2048];
    if (path[0] != '/' && getcwd(here, sizeof here)) {
        snprintf(full, sizeof full, "%s/%s", here, path);
        path = full;
    }
    return !strncmp(path, place, strlen(place)) || strstr(path, place) != NULL;
}

static int path_fails(const char *call, const char *path)
{
    /* A full disk takes nothing away, and lets names and rights be. */
    if (failure == ENOSPC && (!strcmp(call, "unlink") || !strcmp(call, "chmod"))) return 0;
    return armed && !opens && path && below(path) && fails(call, path);
}

static int fd_fails(const char *call, int fd)
{
    struct stat status;
    char link[64], path[4096];
    if (!armed || opens || fstat(fd, &status) || !S_ISREG(status.st_mode)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return below(path) && fails(call, path);
}

static int open_fails(const char *call, const char *path, int flags)
{
    if (!armed) return 0;
    if (opens) return fails(call, path);
    return (flags & O_CREAT) && below(path) && fails(call, path);
}

#define NEXT(type, name, ...) \
    static type (*next)(__VA_ARGS__); \
    if (!next) next = dlsym(RTLD_NEXT, name)

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        NEXT(int, #name, const char *, int, ...); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = va_arg(rest, mode_t); \
        va_end(rest); \
        return open_fails(#name, path, flags) ? -1 : next(path, flags, mode); \
    }
#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) \
    { \
        NEXT(int, #name, int, const char *, int, ...); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = va_arg(rest, mode_t); \
        va_end(rest); \
        return open_fails(#name, path, flags) ? -1 : next(folder, path, flags, mode); \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

#define BY_FD(type, name, declared, given) \
    type name declared \
    { \
        static type(*next) declared; \
        if (!next) next = dlsym(RTLD_NEXT, #name); \
        return fd_fails(#name, fd) ? -1 : next given; \
    }
BY_FD(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
BY_FD(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t from), (fd, data, size, from))
BY_FD(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t from), (fd, data, size, from))
BY_FD(ssize_t, writev, (int fd, const struct iovec *parts, int number), (fd, parts, number))
BY_FD(int, fsync, (int fd), (fd))
BY_FD(int, fdatasync, (int fd), (fd))
BY_FD(int, ftruncate, (int fd, off_t size), (fd, size))
BY_FD(int, ftruncate64, (int fd, off64_t size), (fd, size))
BY_FD(ssize_t, sendfile, (int fd, int from, off_t *at_, size_t size), (fd, from, at_, size))
BY_FD(ssize_t, sendfile64, (int fd, int from, off64_t *at_, size_t size), (fd, from, at_, size))
ssize_t copy_file_range(int from, off64_t *at_from, int fd, off64_t *at_to, size_t size, unsigned flags)
{
    NEXT(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned);
    return fd_fails("copy_file_range", fd) ? -1 : next(from, at_from, fd, at_to, size, flags);
}

#define BY_PATH(name, path, declared, given) \
    int name declared \
    { \
        static int(*next) declared; \
        if (!next) next = dlsym(RTLD_NEXT, #name); \
        return path_fails(#name, path) ? -1 : next given; \
    }
BY_PATH(mkdir, path, (const char *path, mode_t mode), (path, mode))
BY_PATH(mkdirat, path, (int folder, const char *path, mode_t mode), (folder, path, mode))
BY_PATH(unlink, path, (const char *path), (path))
BY_PATH(rename, to, (const char *from, const char *to), (from, to))
BY_PATH(renameat, to, (int a, const char *from, int b, const char *to), (a, from, b, to))
BY_PATH(link, to, (const char *from, const char *to), (from, to))
BY_PATH(linkat, to, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))
BY_PATH(symlink, path, (const char *to, const char *path), (to, path))
BY_PATH(chmod, path, (const char *path, mode_t mode), (path, mode))

#define TAKES(name, declared, given) \
    int name declared \
    { \
        static int(*next) declared; \
        if (!next) next = dlsym(RTLD_NEXT, #name); \
        return armed && opens && fails(#name, "") ? -1 : next given; \
    }
TAKES(pipe, (int ends[2]), (ends))
TAKES(pipe2, (int ends[2], int flags), (ends, flags))
TAKES(dup, (int fd), (fd))
TAKES(socket, (int domain, int type, int protocol), (domain, type, protocol))
