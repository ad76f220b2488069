/*
 * A disk that forgets what was not synced: preloaded into a process, it keeps beside each file of
 * one folder what would be left of it if the power failed now.
 *
 *   UNSYNCED_FOLDER  the folder whose files are watched (not those that end in "-shm" or ".lock")
 *   UNSYNCED_SHADOW  the folder that holds what a power failure leaves
 *   UNSYNCED_DELAY   microseconds that each flush takes
 *   UNSYNCED_FAIL    a file; while it exists, what it says fails: "EIO" or "ENOSPC" on each write
 *                    and flush of a watched file
 *
 * A write goes to the real file and is remembered as a range. A flush of the file copies the
 * remembered ranges to its shadow, and only then returns. A new file is not in the shadow's
 * listing (its marker ".linked" is missing) until its folder is flushed. Nothing is flushed in
 * truth: the page cache survives a killed process, and that is all that this needs.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 32
#define RANGES 65536

struct range {
    off_t from, to;
};

struct watched {
    dev_t dev;
    ino_t ino;
    char name[256];
    off_t size; /* what the shadow is to be cut to; -1: as it is */
    struct range *ranges;
    int count;
};

static struct watched files[FILES];
static int known;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_unlink)(const char *);

static void __attribute__((constructor)) start(void)
{
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
}

static int ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

/* Return the name below the watched folder, or NULL. */
static const char *below(const char *path)
{
    const char *folder = getenv("UNSYNCED_FOLDER");
    size_t length = folder ? strlen(folder) : 0;
    if (!length || strncmp(path, folder, length) || path[length] != '/')
        return NULL;
    path += length + 1;
    return strchr(path, '/') || ends_with(path, "-shm") || ends_with(path, ".lock") ? NULL : path;
}

static int path_of(int fd, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return 1;
}

static struct watched *find(int fd)
{
    struct stat status;
    char path[PATH_MAX];
    const char *name;
    if (fstat(fd, &status) || !S_ISREG(status.st_mode))
        return NULL;
    for (int i = 0; i < known; i++)
        if (files[i].dev == status.st_dev && files[i].ino == status.st_ino)
            return &files[i];
    if (!path_of(fd, path) || !(name = below(path)))
        return NULL;
    struct watched *file = NULL;
    for (int i = 0; i < known && !file; i++)
        if (!files[i].name[0])
            file = &files[i];
    if (!file && known < FILES)
        file = &files[known++];
    if (!file)
        abort();
    file->dev = status.st_dev;
    file->ino = status.st_ino;
    snprintf(file->name, sizeof file->name, "%s", name);
    file->size = -1;
    file->count = 0;
    if (!file->ranges)
        file->ranges = malloc(RANGES * sizeof *file->ranges);
    return file;
}

static int shadow(const char *name, const char *end)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s%s", getenv("UNSYNCED_SHADOW"), name, end);
    return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static int failing(int fd)
{
    const char *path = getenv("UNSYNCED_FAIL");
    char what[16] = "";
    int control;
    if (!path || !find(fd) || (control = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return 0;
    ssize_t length = read(control, what, sizeof what - 1);
    close(control);
    if (length <= 0)
        return 0;
    errno = strncmp(what, "ENOSPC", 6) ? EIO : ENOSPC;
    return 1;
}

static void written(int fd, off_t from, ssize_t length)
{
    struct watched *file = length > 0 ? find(fd) : NULL;
    if (!file)
        return;
    if (file->count == RANGES)
        abort();
    file->ranges[file->count++] = (struct range){from, from + length};
}

/* A shorter file forgets what was beyond its end, even if it grows again before the flush. */
static void cut(struct watched *file, off_t size)
{
    int kept = 0;
    for (int i = 0; i < file->count; i++) {
        struct range range = file->ranges[i];
        if (range.to > size)
            range.to = size;
        if (range.from < range.to)
            file->ranges[kept++] = range;
    }
    file->count = kept;
    if (file->size < 0 || size < file->size)
        file->size = size;
}

static void copy(int from, int to, struct range range)
{
    char buffer[65536];
    while (range.from < range.to) {
        size_t left = range.to - range.from;
        ssize_t got = pread(from, buffer, left < sizeof buffer ? left : sizeof buffer, range.from);
        if (got <= 0)
            return;
        if (real_pwrite(to, buffer, got, range.from) != got)
            abort();
        range.from += got;
    }
}

/* List the files that a flush of their folder makes findable after a power failure. */
static void flush_folder(void)
{
    for (int i = 0; i < known; i++)
        if (files[i].name[0])
            close(shadow(files[i].name, ".linked"));
}

static int flush(int fd)
{
    struct stat status;
    char path[PATH_MAX];
    const char *folder = getenv("UNSYNCED_FOLDER"), *delay = getenv("UNSYNCED_DELAY");
    pthread_mutex_lock(&mutex);
    if (failing(fd)) {
        pthread_mutex_unlock(&mutex);
        return -1;
    }
    struct watched *file = find(fd);
    if (file) {
        int to = shadow(file->name, "");
        if (to < 0)
            abort();
        if (file->size >= 0 && real_ftruncate(to, file->size))
            abort();
        for (int i = 0; i < file->count; i++)
            copy(fd, to, file->ranges[i]);
        file->count = 0;
        file->size = -1;
        close(to);
    } else if (folder && !fstat(fd, &status) && S_ISDIR(status.st_mode) && path_of(fd, path)
               && !strcmp(path, folder))
        flush_folder();
    pthread_mutex_unlock(&mutex);
    if (file && delay)
        usleep(atoi(delay));
    return 0;
}

int fsync(int fd)
{
    return flush(fd);
}

int fdatasync(int fd)
{
    return flush(fd);
}

ssize_t write(int fd, const void *data, size_t length)
{
    pthread_mutex_lock(&mutex);
    int fails = failing(fd);
    off_t from = fails ? 0 : lseek(fd, 0, SEEK_CUR);
    ssize_t done = fails ? -1 : real_write(fd, data, length);
    if (done > 0)
        written(fd, from, done);
    pthread_mutex_unlock(&mutex);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t from)
{
    pthread_mutex_lock(&mutex);
    ssize_t done = failing(fd) ? -1 : real_pwrite(fd, data, length, from);
    if (done > 0)
        written(fd, from, done);
    pthread_mutex_unlock(&mutex);
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off_t from)
{
    return pwrite(fd, data, length, from);
}

int ftruncate(int fd, off_t size)
{
    pthread_mutex_lock(&mutex);
    int done = failing(fd) ? -1 : real_ftruncate(fd, size);
    struct watched *file = done ? NULL : find(fd);
    if (file)
        cut(file, size);
    pthread_mutex_unlock(&mutex);
    return done;
}

int ftruncate64(int fd, off_t size)
{
    return ftruncate(fd, size);
}

/* A removed file is gone at once, and its number may be another's soon. */
int unlink(const char *path)
{
    char whole[PATH_MAX];
    const char *name = realpath(path, whole) ? below(whole) : NULL;
    pthread_mutex_lock(&mutex);
    if (name) {
        char gone[PATH_MAX];
        for (int i = 0; i < known; i++)
            if (!strcmp(files[i].name, name)) {
                files[i].name[0] = 0;
                files[i].ino = 0;
            }
        snprintf(gone, sizeof gone, "%s/%s.linked", getenv("UNSYNCED_SHADOW"), name);
        real_unlink(gone);
        gone[strlen(gone) - strlen(".linked")] = 0;
        real_unlink(gone);
    }
    int done = real_unlink(path);
    pthread_mutex_unlock(&mutex);
    return done;
}
