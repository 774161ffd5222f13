// Preloaded into every program of a system: each call that syncs takes SLOW_SYNC_US microseconds more, and is counted in the
// file SLOW_SYNC_DIR/PROGRAM.PID (one 64-bit number), so that the bench can see that it was active.
// gcc -shared -fPIC -O2 -o slow-sync.so slow-sync.c -ldl

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static uint64_t *count;
static long micros;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare(void) {
  const char *folder = getenv("SLOW_SYNC_DIR");
  const char *wanted = getenv("SLOW_SYNC_US");
  char path[4096];
  micros = wanted ? atol(wanted) : 0;
  if (!folder) return;
  snprintf(path, sizeof path, "%s/%s.%d", folder, program_invocation_short_name, (int)getpid());
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return;
  if (ftruncate(fd, sizeof *count) == 0) {
    void *at = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED) count = at;
  }
  close(fd);
}

static void slow(void) {
  int kept = errno;
  pthread_once(&once, prepare);
  if (count) __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
  struct timespec left = {micros / 1000000, micros % 1000000 * 1000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
  errno = kept;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fsync(int fd) {
  slow();
  return REAL(fsync)(fd);
}

int fdatasync(int fd) {
  slow();
  return REAL(fdatasync)(fd);
}

int sync_file_range(int fd, off64_t offset, off64_t length, unsigned int flags) {
  slow();
  return REAL(sync_file_range)(fd, offset, length, flags);
}

int msync(void *at, size_t length, int flags) {
  slow();
  return REAL(msync)(at, length, flags);
}
