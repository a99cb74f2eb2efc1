"""All drills, in the order in which they are carried out."""

from serving.drills.bundles import BUNDLES
from serving.drills.clocks import CLOCKS
from serving.drills.disks import DISKS
from serving.drills.hostile import HOSTILE
from serving.drills.kills import KILLS
from serving.drills.outside import OUTSIDE
from serving.drills.slow import SLOW
from serving.drills.stores import STORES

DRILLS = {
    drill.name: drill
    for drill in (*KILLS, *STORES, *DISKS, *BUNDLES, *CLOCKS, *OUTSIDE, *SLOW, *HOSTILE)
}
