# Managed by deployctl: change the inventory, not this file.
PATH=/usr/local/cuda-{{ host.cuda.version }}/bin:$PATH
