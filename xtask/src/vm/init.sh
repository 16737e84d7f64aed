#!/bin/busybox sh
# The machine's first process: the host's files, read-only below what is written here; then a script of the host's.
# Kernel parameters: modules=DIRECTORY (of the kernel, on the host), script=FILE (to run, on the host).
b=/bin/busybox
$b mount -t proc none /proc
$b mount -t sysfs none /sys
$b mount -t devtmpfs none /dev
for module in @MODULES@; do $b modprobe $module; done
for word in $($b cat /proc/cmdline); do
    case $word in
        modules=*) modules=${word#modules=} ;;
        script=*) script=${word#script=} ;;
    esac
done
$b mount -t virtiofs -o ro host /host || exec $b poweroff -f
$b mount -t tmpfs -o size=75% none /memory
$b mkdir /memory/written /memory/work
$b mount -t overlay -o lowerdir=/host,upperdir=/memory/written,workdir=/memory/work none /root
cd /root
for directory in proc sys dev run tmp; do $b mount -t tmpfs none $directory; done
for directory in dev sys proc; do $b mount --move /$directory $directory; done
$b mkdir -p dev/pts dev/shm lib/modules run/vm
$b mount -t devpts none dev/pts
$b mount -t tmpfs none dev/shm
$b mount -t bpf none sys/fs/bpf
$b mount -t cgroup2 none sys/fs/cgroup
$b mount --bind ".$modules" lib/modules
# The kernel loads what it needs by itself; the host may have no modprobe.
$b ln -s /bin/busybox run/vm/modprobe
echo /run/vm/modprobe > proc/sys/kernel/modprobe
echo /tmp/core > proc/sys/kernel/core_pattern
$b stty -F dev/hvc0 raw -echo
exec $b switch_root /root /bin/sh -c "
    export HOME=/root TERM=dumb PATH=/run/vm:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    /bin/busybox ip link set lo up
    /bin/busybox hostname vm
    /bin/sh $script > /dev/hvc0 2>&1 < /dev/null
    status=\$?
    for port in /dev/vport*p1; do echo \$status > \$port; done
    sync
    exec /bin/busybox poweroff -f"
