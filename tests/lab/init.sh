#!/bin/bash
# The first process of every node. The kernel passes the words of its command line as variables:
# NODE, ADDRESS, ROLE, LAB (the lab's directory on the host), CODE (this directory), PYTHON.
#
# The root is the host's file system, read-only, under an overlay in memory: a node sees every program of the host
# and can write anywhere, but everything it writes disappears with it. The only exception is /run/lab.
set -eu
PS4='+ $EPOCHREALTIME ' # the console log is the first thing to read when a boot fails
set -x
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TZ=UTC HOME=/root NODE PYTHON
export PYTHONPATH=${CODE%/tests/lab}

private_root() {
    mount -t proc proc /proc
    mount -t tmpfs private /mnt
    mkdir /mnt/upper /mnt/work /mnt/root
    insmod "/usr/lib/uml/modules/$(uname -r)/kernel/fs/overlayfs/overlay.ko"
    mount -t overlay root -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
    cd /mnt/root
    pivot_root . media # not chroot: the kernel's own helpers must see the new root too
    cd /
}

system_folders() {
    mount -t proc proc /proc
    mount -t sysfs sys /sys
    mount -t devtmpfs dev /dev
    mount -t tmpfs run /run
    mkdir -p /dev/shm /run/lab /lib/modules
    mount -t tmpfs shm /dev/shm
    ln -s /proc/self/fd /dev/fd
    mount -t hostfs lab -o "$LAB" /run/lab
    mount --bind /usr/lib/uml/modules /lib/modules
    rm -rf /etc/cron.d/* /etc/crontab /var/spool/cron/crontabs/* # the node must not run the host's jobs
}

programs() {
    ln -sf "$CODE/job.sh" /usr/bin/job
    printf '#!/bin/sh\nPYTHONPATH=%s exec %s -m cronguard "$@"\n' "$PYTHONPATH" "$PYTHON" >/usr/bin/cronguard
    chmod +x /usr/bin/cronguard
}

network() {
    hostname "$NODE"
    ip link set lo up
    ip address add "$ADDRESS/24" dev vec0
    ip link set vec0 up
}

# Numbers travel on the serial line: the number of a script to run comes in; the same number and the exit status go
# out. Reading it blocks, so an idle node costs nothing. It stays open, because closing it would lose unread data.
# bash also reaps orphans, as a first process must.
obey() {
    set +ex
    exec 3<>/dev/ttyS0
    stty raw -echo <&3
    echo ready >&3
    while read -r number <&3; do
        {
            sh "$desk/$number.sh" >"$desk/$number.out" 2>&1 </dev/null 3>&-
            echo "$number $?" >&3
        } &
    done
}

desk=/run/lab/$NODE
private_root
system_folders
programs
network
. "$CODE/$ROLE.sh"
obey
