#!/bin/bash
# The first process of every node. The kernel hands over the words of its command line as variables:
# NODE, ADDRESS, ROLE, LAB (the lab's folder on the host), CODE (this folder), PYTHON.
#
# The host's file system is the root, read-only, under an overlay in memory: a node sees every program of the
# host and can write anywhere, and all it writes is gone with it. The one way out is /run/lab.
set -eu
PS4='+ $EPOCHREALTIME ' # the console's log is the first thing to read when a boot fails
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
    pivot_root . media # not chroot: the kernel's own helpers must see the new root as well
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
    rm -rf /etc/cron.d/* /etc/crontab /var/spool/cron/crontabs/* # the host's jobs are not the node's
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

# The serial line carries numbers: in, that of a script to run; out, the same with its exit status. Reading it
# blocks, so that an idle node costs nothing. It stays open, because a closed one forgets what was sent.
# bash, as a first process must, also buries orphans.
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
