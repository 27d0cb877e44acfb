/* Fails calls on the files of a store, below SQLite: loaded into a process by LD_PRELOAD, for tests.
 *
 * ORCH_FAULT is `call nth errno times half`: which call, from the how manieth on, with which error, how often, and whether a
 * write writes half of what it was given at the first. The file ORCH_FAULT_MARK is made when one has failed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static char call[16];
static long nth, times;
static int with, half;
static atomic_long seen;

__attribute__((constructor)) static void begin(void) {
  const char *order = getenv("ORCH_FAULT");
  if (order == NULL || sscanf(order, "%15s %ld %d %ld %d", call, &nth, &with, &times, &half) != 5) call[0] = 0;
}

static int due(const char *name, int fd) {
  if (strcmp(call, name) != 0) return 0;
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  if (strstr(path, "/orch.db") == NULL || strstr(path, "-owners") != NULL) return 0;
  long place = atomic_fetch_add(&seen, 1);
  if (place < nth || place >= nth + times) return 0;
  const char *mark = getenv("ORCH_FAULT_MARK");
  if (mark != NULL) close(open(mark, O_CREAT | O_WRONLY, 0600));
  return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL do { errno = with; return -1; } while (0)

ssize_t write(int fd, const void *bytes, size_t count) {
  if (due("write", fd)) {
    if (half && count > 1 && atomic_load(&seen) == nth + 1) return REAL(write)(fd, bytes, count / 2);
    FAIL;
  }
  return REAL(write)(fd, bytes, count);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
  if (due("write", fd)) {
    if (half && count > 1 && atomic_load(&seen) == nth + 1) return REAL(pwrite64)(fd, bytes, count / 2, at);
    FAIL;
  }
  return REAL(pwrite64)(fd, bytes, count, at);
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return pwrite64(fd, bytes, count, at); }
ssize_t read(int fd, void *bytes, size_t count) {
  if (due("read", fd)) FAIL;
  return REAL(read)(fd, bytes, count);
}
ssize_t pread64(int fd, void *bytes, size_t count, off64_t at) {
  if (due("read", fd)) FAIL;
  return REAL(pread64)(fd, bytes, count, at);
}
ssize_t pread(int fd, void *bytes, size_t count, off_t at) { return pread64(fd, bytes, count, at); }
int fsync(int fd) {
  if (due("sync", fd)) FAIL;
  return REAL(fsync)(fd);
}
int fdatasync(int fd) {
  if (due("sync", fd)) FAIL;
  return REAL(fdatasync)(fd);
}
int ftruncate64(int fd, off64_t length) {
  if (due("truncate", fd)) FAIL;
  return REAL(ftruncate64)(fd, length);
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }
