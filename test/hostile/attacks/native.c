/*
 * Native capsules that mean harm, one function each; ATTACK is the one this program is compiled with, the other macros are where what
 * lies outside can be found. An attack answers with what it got hold of, NULL for nothing.
 */
#define _GNU_SOURCE
#define VNES_IMPLEMENTATION
#include "vnes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <netinet/in.h>
#include <unistd.h>

#define KERNEL_FD 3
#define GOT(condition, what) \
  do { \
    if (condition) return what; \
  } while (0)

typedef const char *got;

static bool holds_secret(const char *path) {
  static char text[1 << 16];
  const int file = open(path, O_RDONLY);
  if (file < 0) return false;
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  return length > 0 && memmem(text, (size_t)length, OUTSIDE_SECRET, strlen(OUTSIDE_SECRET)) != NULL;
}
static bool opens(const char *path) {
  const int file = open(path, O_RDONLY);
  if (file < 0) return false;
  char byte;
  const bool has = read(file, &byte, 1) == 1;
  close(file);
  return has;
}

/* --- time and memory --- */

static got loops(vnes_turn *turn) { (void)turn; for (volatile int n = 0;; n++) { } }
static got sleeps(vnes_turn *turn) { (void)turn; for (;;) pause(); }
static got stops_itself(vnes_turn *turn) { (void)turn; kill(getpid(), SIGSTOP); return NULL; }

/* Who is stopped for a budget has armed before whatever could continue it. */
static got wakes_itself(vnes_turn *turn) {
  (void)turn;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGCONT};
  const struct itimerspec soon = {.it_value = {.tv_nsec = 20000000}};
  timer_t timer;
  GOT(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &soon, NULL) == 0, "a timer that continues it");
  const int queue = (int)syscall(SYS_mq_open, "/wakes", O_CREAT | O_RDONLY, 0600, NULL);
  GOT(queue >= 0 && syscall(SYS_mq_notify, queue, &event) == 0, "a queue that continues it");
  int pair[2];
  const int fds[] = {KERNEL_FD, socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 ? pair[0] : KERNEL_FD};
  for (size_t n = 0; n < sizeof fds / sizeof *fds; n++) {
    GOT(fcntl(fds[n], F_SETSIG, SIGCONT) == 0, "a descriptor that continues it");
    fcntl(fds[n], F_SETOWN, getpid());
    fcntl(fds[n], F_SETFL, O_ASYNC);
  }
  const struct itimerval alarm_soon = {.it_value = {.tv_usec = 20000}};
  setitimer(ITIMER_REAL, &alarm_soon, NULL);
  prctl(PR_SET_PDEATHSIG, SIGCONT, 0, 0, 0);
  signal(SIGALRM, SIG_IGN), signal(SIGIO, SIG_IGN);
  kill(getpid(), SIGSTOP);
  return "processor time behind a stop";
}

static int down(volatile char *above) {
  volatile char here[4096];
  here[0] = above[0];
  return down(here) + here[0];
}
static got recurses(vnes_turn *turn) { (void)turn; char start[1] = {0}; return down(start) == 1 ? "the end" : NULL; }

static got takes_memory(vnes_turn *turn) {
  (void)turn;
  for (size_t size = 1 << 20;; ) {
    char *taken = malloc(size);
    if (taken == NULL) abort();
    memset(taken, 1, size);
  }
}
static got maps_memory(vnes_turn *turn) {
  (void)turn;
  for (;;) {
    char *taken = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (taken == MAP_FAILED) abort();
    memset(taken, 1, 64 << 20);
  }
}
/* Each page of these tables holds the zero page 512 times, which is nobody's memory. */
static got maps_nothing_everywhere(vnes_turn *turn) {
  (void)turn;
  const size_t all = (size_t)1 << 46;
  volatile char *place = mmap(NULL, all, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if ((void *)place == MAP_FAILED) abort();
  madvise((void *)place, all, MADV_NOHUGEPAGE);
  for (size_t at = 0; at < all; at += 2 << 20) (void)place[at];
  return "page tables without end";
}
static got takes_the_turns_memory(vnes_turn *turn) { for (;;) memset(vnes_alloc(turn, 1 << 20), 1, 1 << 20); }

/* --- processes --- */

static got forks_without_end(vnes_turn *turn) {
  (void)turn;
  for (int n = 0; n < 100000; n++) {
    const pid_t child = fork();
    if (child == 0) for (;;) pause();
    if (child < 0) return NULL;
  }
  return "100,000 processes";
}
static got leaves_one_behind(vnes_turn *turn) {
  (void)turn;
  if (fork() == 0) {
    setsid();
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    for (;;) pause();
  }
  return NULL;
}
static got signals_everybody(vnes_turn *turn) {
  (void)turn;
  kill(-1, SIGCONT);
  for (pid_t pid = 1; pid < 4194304; pid = pid < 65536 ? pid + 1 : pid * 2) if (pid != getpid()) kill(pid, SIGWINCH);
  kill(OUTSIDE_PID, SIGUSR2);
  return NULL;
}
static got traces(vnes_turn *turn) {
  (void)turn;
  GOT(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0, "its parent, by ptrace");
  GOT(ptrace(PTRACE_ATTACH, 1, NULL, NULL) == 0, "process 1, by ptrace");
  GOT(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0, "ptrace");
  char byte;
  struct iovec here = {&byte, 1}, there = {&byte, 1};
  GOT(syscall(SYS_process_vm_readv, getppid(), &here, 1, &there, 1, 0) >= 0, "process_vm_readv");
  GOT(syscall(SYS_pidfd_open, OUTSIDE_PID, 0) >= 0, "the kernel's process, as a pidfd");
  return NULL;
}
static got signals_its_peer(vnes_turn *turn) {
  (void)turn;
  int peer = -1;
  socklen_t length = sizeof peer;
  const int peer_pidfd = 77;
  if (getsockopt(KERNEL_FD, SOL_SOCKET, peer_pidfd, &peer, &length) != 0) return NULL;
  GOT(syscall(SYS_pidfd_send_signal, peer, SIGUSR2, NULL, 0) == 0, "the kernel's process, by its socket");
  GOT(syscall(SYS_pidfd_getfd, peer, 0, 0) >= 0, "a descriptor of the kernel's process");
  GOT(syscall(SYS_setns, peer, CLONE_NEWNET) == 0, "the network of the kernel's process");
  return NULL;
}
static got looks_into_its_reaper(vnes_turn *turn) {
  GOT(open("/proc/1/mem", O_RDWR) >= 0, "the memory of process 1, to be written");
  GOT(holds_secret("/proc/1/environ") || holds_secret("/proc/1/cmdline"), "the secret, of process 1");
  for (int fd = 3; fd < 256; fd++) {
    const int found = open(vnes_format(turn, "/proc/1/fd/%d", fd), O_RDONLY);
    struct stat about;
    if (found >= 0 && fstat(found, &about) == 0 && (S_ISDIR(about.st_mode) || S_ISREG(about.st_mode)))
      return vnes_format(turn, "descriptor %d of process 1", fd);
  }
  GOT(open("/proc/1/root/..", O_RDONLY | O_DIRECTORY) >= 0 && opens("/proc/1/root/etc/passwd"), "the root of process 1");
  return NULL;
}
/* Timers and queued signals are counted for the user of the node, whatever namespace they are in. */
static got makes_timers(vnes_turn *turn) {
  timer_t timer;
  int made = 0;
  while (made < 100000 && timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0) made++;
  return made > 1024 ? vnes_format(turn, "%d timers", made) : NULL;
}
static got wants_priority(vnes_turn *turn) {
  (void)turn;
  const struct sched_param highest = {.sched_priority = 1};
  GOT(setpriority(PRIO_PROCESS, 0, -20) == 0, "a higher priority");
  GOT(sched_setscheduler(0, SCHED_FIFO, &highest) == 0, "a real-time priority");
  const struct rlimit more = {RLIM_INFINITY, RLIM_INFINITY};
  GOT(setrlimit(RLIMIT_NPROC, &more) == 0, "more processes");
  GOT(setrlimit(RLIMIT_NOFILE, &more) == 0, "more descriptors");
  return NULL;
}

/* --- files --- */

static got reads_files(vnes_turn *turn) {
  GOT(holds_secret(OUTSIDE_FILE), "the secret file");
  static const char *const paths[] = {
    "/etc/passwd", "/etc/shadow", "/etc/hostname", "/root/.bashrc", "/root/.profile", "/home", "/var/log/dpkg.log", "/proc/1/root/etc/passwd",
    "/proc/self/root/etc/passwd", "/proc/self/cwd/../../../etc/passwd", "/lib/../etc/passwd", "/usr/lib/../../etc/passwd",
    "/dev/../etc/passwd", "/proc/../etc/passwd", "/proc/kcore", "/proc/kallsyms", "/proc/sys/kernel/hostname", "/sys/class/net/lo/address",
    "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/tty", "/dev/ptmx", "/dev/fuse", "/dev/kvm", "/dev/net/tun",
  };
  for (size_t n = 0; n < sizeof paths / sizeof *paths; n++) if (opens(paths[n])) return vnes_format(turn, "%s", paths[n]);
  for (int pid = 1; pid < 100000; pid++) {
    const char *environment = vnes_format(turn, "/proc/%d/environ", pid);
    if (holds_secret(environment)) return "the secret, in somebody's environment";
    if (pid > 300) pid += 96;
  }
  return getenv("VNES_OUTSIDE_SECRET") != NULL ? "the environment of the kernel" : NULL;
}
/* All it may have is what every host is told, and what bubblewrap sets. */
static got reads_environment(vnes_turn *turn) {
  static const char *const told[] = {"TZ=", "LANG=", "PWD="};
  for (char **one = environ; *one != NULL; one++) {
    bool is_told = false;
    for (size_t n = 0; n < sizeof told / sizeof *told; n++) is_told |= strncmp(*one, told[n], strlen(told[n])) == 0;
    if (!is_told) return vnes_format(turn, "%.60s", *one);
  }
  GOT(getenv("HOME") != NULL || getenv("PATH") != NULL || secure_getenv("VNES_OUTSIDE_SECRET") != NULL, "the environment of the kernel");
  static const char *const paths[] = {
    "/proc/self/environ", "/proc/thread-self/environ", "/proc/1/environ", "/proc/self/cmdline", "/proc/1/cmdline", "/proc/self/task/1/environ",
  };
  for (size_t n = 0; n < sizeof paths / sizeof *paths; n++) if (holds_secret(paths[n])) return vnes_format(turn, "the secret, in %s", paths[n]);
  GOT(holds_secret(vnes_format(turn, "/proc/%d/environ", OUTSIDE_PID)), "the secret, in the environment of the kernel");
  return NULL;
}
static got follows_links(vnes_turn *turn) {
  (void)turn;
  GOT(symlink(OUTSIDE_FILE, "/tmp/link") == 0 && holds_secret("/tmp/link"), "the secret, through a link");
  GOT(link(OUTSIDE_FILE, "/tmp/hard") == 0, "a hard link to the secret");
  const int root = open("/", O_RDONLY | O_DIRECTORY);
  GOT(openat(root, "../../../../../.." OUTSIDE_FILE, O_RDONLY) >= 0, "the secret, by way of ..");
  GOT(chroot("/proc") == 0, "another root");
  GOT(syscall(SYS_open_by_handle_at, root, NULL, O_RDONLY) >= 0, "a file by its handle");
  return NULL;
}
static got writes_files(vnes_turn *turn) {
  static const char *const folders[] = {OUTSIDE_FOLDER, "/", "/tmp", "/var/tmp", "/dev", "/dev/shm", "/run", "/usr/lib", "/lib", "/proc", "/capsule", "/etc", "/root", "."};
  for (size_t n = 0; n < sizeof folders / sizeof *folders; n++) {
    const int file = open(vnes_format(turn, "%s/written", folders[n]), O_CREAT | O_WRONLY, 0600);
    if (file >= 0) return vnes_format(turn, "a file in %s", folders[n]);
  }
  GOT(open("/proc/self/exe", O_WRONLY) >= 0, "its own program, to be changed");
  GOT(open("/proc/sys/kernel/core_pattern", O_WRONLY) >= 0, "the core pattern");
  GOT(mknod("/tmp/node", S_IFCHR | 0600, 0x0103) == 0, "a device of its own");
  GOT(chmod("/lib", 0777) == 0, "the mode of a folder");
  return NULL;
}
static got counts_descriptors(vnes_turn *turn) {
  for (int fd = 4; fd < 4096; fd++) {
    struct stat about;
    if (fstat(fd, &about) == 0) return vnes_format(turn, "descriptor %d", fd);
  }
  return NULL;
}
static got opens_everything(vnes_turn *turn) {
  (void)turn;
  for (int n = 0; n < 100000; n++) if (dup(2) < 0) { for (int fd = 4; fd < 100000; fd++) close(fd); return NULL; }
  return "100,000 descriptors";
}

/* --- network --- */

static got connects(vnes_turn *turn) {
  (void)turn;
  const int tcp = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(OUTSIDE_PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  GOT(tcp >= 0 && connect(tcp, (struct sockaddr *)&there, sizeof there) == 0, "a listener on loopback");
  const int udp = socket(AF_INET, SOCK_DGRAM, 0);
  there.sin_addr.s_addr = htonl(0x08080808);
  GOT(udp >= 0 && sendto(udp, "x", 1, 0, (struct sockaddr *)&there, sizeof there) == 1, "the network");
  struct sockaddr_un local = {.sun_family = AF_UNIX};
  strncpy(local.sun_path, OUTSIDE_SOCKET, sizeof local.sun_path - 1);
  const int unix_socket = socket(AF_UNIX, SOCK_STREAM, 0);
  GOT(unix_socket >= 0 && connect(unix_socket, (struct sockaddr *)&local, sizeof local) == 0, "a unix socket");
  memset(local.sun_path, 0, sizeof local.sun_path);
  memcpy(local.sun_path + 1, OUTSIDE_ABSTRACT, strlen(OUTSIDE_ABSTRACT));
  const socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(OUTSIDE_ABSTRACT));
  GOT(unix_socket >= 0 && connect(unix_socket, (struct sockaddr *)&local, length) == 0, "an abstract unix socket");
  return NULL;
}
static got opens_odd_sockets(vnes_turn *turn) {
  static const int families[] = {AF_PACKET, AF_NETLINK, AF_VSOCK, AF_ALG, AF_BLUETOOTH, AF_CAN, AF_KEY, AF_TIPC, AF_XDP, AF_RDS};
  for (size_t n = 0; n < sizeof families / sizeof *families; n++) {
    if (socket(families[n], SOCK_RAW, 0) >= 0 || socket(families[n], SOCK_DGRAM, 0) >= 0 || socket(families[n], SOCK_SEQPACKET, 0) >= 0)
      return vnes_format(turn, "a socket of family %d", families[n]);
  }
  GOT(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0, "a raw socket");
  return NULL;
}

/* --- rights and the machine's kernel --- */

static got gains_rights(vnes_turn *turn) {
  (void)turn;
  GOT(setuid(0) == 0 || setreuid(0, 0) == 0, "another user");
  GOT(setgid(0) == 0, "another group");
  GOT(unshare(CLONE_NEWUSER) == 0, "a user namespace");
  GOT(unshare(CLONE_NEWNS) == 0, "a mount namespace");
  GOT(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0) > 0, "a clone in a user namespace");
  GOT(mount("none", "/tmp", "tmpfs", 0, NULL) == 0, "a mount");
  GOT(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0, "a root that can be written to");
  GOT(umount2("/proc", MNT_DETACH) == 0, "/proc to be gone");
  GOT(syscall(SYS_pivot_root, "/", "/") == 0, "another root");
  GOT(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0, "new privileges");
  GOT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1, "a process that may gain privileges");
  GOT(prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 2, "a process without a filter of system calls");
  GOT(prctl(PR_CAPBSET_READ, 21, 0, 0, 0) == 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21, 0, 0) == 0, "CAP_SYS_ADMIN");
  return NULL;
}
#define REFUSED(number, ...) \
  do { \
    if (syscall(number, __VA_ARGS__) >= 0) return "system call " #number; \
  } while (0)
static got asks_for_odd_calls(vnes_turn *turn) {
  (void)turn;
  GOT(fcntl(open("/proc/self/exe", O_RDONLY), F_SETLEASE, F_RDLCK) == 0, "a lease on a file");
  REFUSED(SYS_sync, 0);
  REFUSED(SYS_bpf, 0, NULL, 0);
  REFUSED(SYS_perf_event_open, NULL, 0, -1, -1, 0);
  REFUSED(SYS_userfaultfd, 0);
  REFUSED(SYS_io_uring_setup, 1, NULL);
  REFUSED(SYS_keyctl, 0, -3, 0);
  REFUSED(SYS_add_key, "user", "a", "b", 1, -3);
  REFUSED(SYS_kexec_load, 0, 0, NULL, 0);
  REFUSED(SYS_init_module, NULL, 0, "");
  REFUSED(SYS_finit_module, -1, "", 0);
  REFUSED(SYS_delete_module, "a", 0);
  REFUSED(SYS_swapon, "/a", 0);
  REFUSED(SYS_acct, NULL);
  REFUSED(SYS_personality, 0x0040000);
  REFUSED(SYS_settimeofday, NULL, NULL);
  REFUSED(SYS_clock_settime, 0, NULL);
  REFUSED(SYS_sethostname, "x", 1);
  REFUSED(SYS_quotactl, 0, NULL, 0, NULL);
  REFUSED(SYS_fanotify_init, 0, 0);
  REFUSED(SYS_lookup_dcookie, 0, NULL, 0);
  REFUSED(SYS_setns, KERNEL_FD, 0);
  REFUSED(SYS_kcmp, getpid(), 1, 0, 0, 0);
  REFUSED(SYS_move_pages, 1, 0, NULL, NULL, NULL, 0);
  REFUSED(SYS_memfd_secret, 0);
  return NULL;
}

/* --- the protocol --- */

static got writes_garbage(vnes_turn *turn) { (void)turn; for (int n = 0; n < 1000; n++) if (write(KERNEL_FD, "garbage\n", 8) != 8) break; return NULL; }
static got sends_too_much(vnes_turn *turn) {
  (void)turn;
  static const unsigned char head[4] = {0x7f, 0xff, 0xff, 0xff};
  static char zeros[1 << 16];
  if (write(KERNEL_FD, head, 4) != 4) return NULL;
  for (int n = 0; n < 4096; n++) if (write(KERNEL_FD, zeros, sizeof zeros) < 0) break;
  return NULL;
}
static got hangs_up(vnes_turn *turn) { (void)turn; close(KERNEL_FD); for (;;) pause(); }
static got exits(vnes_turn *turn) { (void)turn; _exit(0); }
static got kills_itself(vnes_turn *turn) { (void)turn; raise(SIGKILL); return NULL; }
static got floods_output(vnes_turn *turn) {
  (void)turn;
  static char line[1 << 16];
  memset(line, 'x', sizeof line);
  for (int n = 0; n < 1000; n++) if (write(1, line, sizeof line) < 0 || write(2, line, sizeof line) < 0) break;
  return NULL;
}
static got floods_effects(vnes_turn *turn) { for (;;) vnes_publish(turn, "x.v1", "k", NULL); }
static got has_a_giant_key(vnes_turn *turn) {
  char *key = vnes_alloc(turn, (4 << 20) + 1);
  memset(key, 'k', 4 << 20);
  key[4 << 20] = 0;
  vnes_set(turn, key, NULL);
  return NULL;
}
static got corrupts_its_heap(vnes_turn *turn) {
  (void)turn;
  char *volatile block = malloc(16);
  memset(block - 64, 0x41, 4096);
  free(malloc(32));
  free(block);
  abort();
}

static vnes_value *go(vnes_turn *turn, const vnes_value *input, const vnes_call_info *info) {
  (void)input, (void)info;
  const char *hold = ATTACK(turn);
  return hold == NULL ? vnes_new_null(turn) : vnes_new_text(turn, hold);
}
static vnes_value *ok(vnes_turn *turn, const vnes_value *input, const vnes_call_info *info) {
  (void)input, (void)info;
  return vnes_new_number(turn, 1);
}

int main(void) {
  static const vnes_call_handler calls[] = {{"t.go", go}, {"t.ok", ok}, {NULL, NULL}};
  static const vnes_handlers handlers = {.calls = calls};
  return vnes_serve(&handlers);
}
