"""All servers that can be compared, by name."""
import mailers
import servers

OURS = {kind.name: kind for kind in servers.OURS}
PEERS = {kind.name: kind for kind in (servers.Postfix, *mailers.ALL)}
ALL = {**OURS, **PEERS}
TITLES = {name: kind.title for name, kind in ALL.items()}
