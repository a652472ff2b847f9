/**
 * System calls that code in a host has no business with, and their numbers (Linux, `asm/unistd_64.h` and `asm-generic/unistd.h`); null
 * where an architecture has no such call. What is looked at by its arguments is in `CALLS` too.
 */

export type Architecture = "x86_64" | "aarch64";

/** AUDIT_ARCH_* of linux/audit.h. */
export const AUDIT_ARCHITECTURE: { readonly [architecture in Architecture]: number } = {
  x86_64: 0xc000003e,
  aarch64: 0xc00000b7,
};

/** Calls from here on are newer than this table. */
export const FIRST_UNKNOWN_CALL = 451;

type Numbers = readonly [x86_64: number | null, aarch64: number | null];

export const CALLS: {
  readonly [name in "clone" | "clone3" | "socketpair" | "ioctl" | "fcntl" | "kill"]: Numbers;
} = {
  clone: [56, 220],
  clone3: [435, 435],
  socketpair: [53, 199],
  ioctl: [16, 29],
  fcntl: [72, 25],
  kill: [62, 129],
};

/** By what they are for. */
export const REFUSED_CALLS: { readonly [purpose: string]: { readonly [name: string]: Numbers } } = {
  "looking into other processes": {
    ptrace: [101, 117],
    process_vm_readv: [310, 270],
    process_vm_writev: [311, 271],
    process_madvise: [440, 440],
    pidfd_getfd: [438, 438],
    kcmp: [312, 272],
  },
  "mounts and roots": {
    mount: [165, 40],
    umount2: [166, 39],
    pivot_root: [155, 41],
    chroot: [161, 51],
    mount_setattr: [442, 442],
    open_tree: [428, 428],
    move_mount: [429, 429],
    fsopen: [430, 430],
    fsconfig: [431, 431],
    fsmount: [432, 432],
    fspick: [433, 433],
    name_to_handle_at: [303, 264],
    open_by_handle_at: [304, 265],
  },
  "namespaces; `clone` is looked at by its flags": {
    unshare: [272, 97],
    setns: [308, 268],
  },
  "processes besides the one that was started; threads are made by `clone`": {
    fork: [57, null],
    vfork: [58, null],
  },
  "timers with a signal of their own: one that continues wakes a host that has been stopped": {
    timer_create: [222, 107],
  },
  "sessions: the scheduler gives each a share of the processor": {
    setsid: [112, 157],
  },
  "keys of the kernel": {
    add_key: [248, 217],
    request_key: [249, 218],
    keyctl: [250, 219],
  },
  "large surfaces that no runtime needs": {
    bpf: [321, 280],
    perf_event_open: [298, 241],
    userfaultfd: [323, 282],
    io_uring_setup: [425, 425],
    io_uring_enter: [426, 426],
    io_uring_register: [427, 427],
    fanotify_init: [300, 262],
    fanotify_mark: [301, 263],
    lookup_dcookie: [212, 18],
  },
  "the machine as a whole": {
    kexec_load: [246, 104],
    kexec_file_load: [320, 294],
    init_module: [175, 105],
    finit_module: [313, 273],
    delete_module: [176, 106],
    create_module: [174, null],
    query_module: [178, null],
    get_kernel_syms: [177, null],
    reboot: [169, 142],
    swapon: [167, 224],
    swapoff: [168, 225],
    acct: [163, 89],
    quotactl: [179, 60],
    quotactl_fd: [443, 443],
    syslog: [103, 116],
    settimeofday: [164, 170],
    clock_settime: [227, 112],
    clock_adjtime: [305, 266],
    adjtimex: [159, 171],
    sethostname: [170, 161],
    setdomainname: [171, 162],
    vhangup: [153, 58],
    iopl: [172, null],
    ioperm: [173, null],
    modify_ldt: [154, null],
    uselib: [134, null],
    ustat: [136, null],
    sysfs: [139, null],
    _sysctl: [156, null],
    nfsservctl: [180, 42],
    personality: [135, 92],
  },
  "sockets; what a host speaks over is open when it starts, and `socketpair` is looked at by its family": {
    socket: [41, 198],
    connect: [42, 203],
    bind: [49, 200],
    listen: [50, 201],
    accept: [43, 202],
    accept4: [288, 242],
  },
  "memory that belongs to no process": {
    shmget: [29, 194],
    shmat: [30, 196],
    shmctl: [31, 195],
    semget: [64, 190],
    semctl: [66, 191],
    semop: [65, 193],
    semtimedop: [220, 192],
    msgget: [68, 186],
    msgsnd: [69, 189],
    msgrcv: [70, 188],
    msgctl: [71, 187],
    mq_open: [240, 180],
    memfd_create: [319, 279],
    memfd_secret: [447, 447],
  },
  "where memory lies": {
    migrate_pages: [256, 238],
    move_pages: [279, 239],
    mbind: [237, 235],
    set_mempolicy: [238, 237],
  },
  "attributes of files; what is not read-only anyway is a device node of the machine, which root would own": {
    chmod: [90, null],
    fchmod: [91, 52],
    fchmodat: [268, 53],
    chown: [92, null],
    fchown: [93, 55],
    lchown: [94, null],
    fchownat: [260, 54],
    utime: [132, null],
    utimes: [235, null],
    futimesat: [261, null],
    utimensat: [280, 88],
    setxattr: [188, 5],
    lsetxattr: [189, 6],
    fsetxattr: [190, 7],
    removexattr: [197, 14],
    lremovexattr: [198, 15],
    fremovexattr: [199, 16],
  },
  "the disks of the machine: what others wrote would be waited for": {
    sync: [162, 81],
    syncfs: [306, 267],
  },
  "what the machine has one count of for all, or for the user of the node": {
    io_setup: [206, 0],
    inotify_init: [253, null],
    inotify_init1: [294, 26],
    ioprio_set: [251, 30],
  },
  devices: {
    mknod: [133, null],
    mknodat: [259, 33],
  },
};

export function numberOf(numbers: Numbers, architecture: Architecture): number | null {
  return numbers[architecture === "x86_64" ? 0 : 1];
}
