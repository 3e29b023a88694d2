# The NFS server's part of the boot. Everything that a server must remember across its death is on its disk, as on a
# real one: the share, and which clients held state.

mkdir /run/disk
mount /dev/ubda /run/disk
mkdir -p /run/disk/share /run/disk/state
cp -an /var/lib/nfs/. /run/disk/state
mount --bind /run/disk/state /var/lib/nfs
mkdir /run/rpc_pipefs
mount -t rpc_pipefs pipes /run/rpc_pipefs
echo '/run/disk/share *(rw,no_root_squash,sync,no_subtree_check,fsid=0)' >/etc/exports

# A restarted server grants no new lock, of any NFS version, until its clients have had time to reclaim their old ones:
# 90 s by default, for both NFS 3 and NFS 4. Here NFS 3, whose locks are not used, takes only 3 s.
modprobe lockd nlm_timeout=3 nlm_grace_period=3
modprobe nfsd
mount -t nfsd nfsd /proc/fs/nfsd
echo 15 >/proc/fs/nfsd/nfsv4leasetime
echo 15 >/proc/fs/nfsd/nfsv4gracetime

rpcbind -w
nfsdcld # remembers the clients, so the grace period ends when the last one is back
exportfs -ra
rpc.statd
rpc.mountd
rpc.nfsd 4
