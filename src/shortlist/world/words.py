"""The words of the world: topics with their subjects, titles, names, countries."""

from __future__ import annotations

TOPICS: dict[str, tuple[str, ...]] = {
    "cooking": ("ramen", "sourdough", "a one-pan dinner", "mango pickle", "the perfect omelette"),
    "music": ("a four-chord song", "the cello", "a synth bass line", "street drumming", "harmony"),
    "football": ("the free kick", "a last-minute derby", "pressing high", "goalkeeping", "Sunday league"),
    "comedy": ("office small talk", "airport queues", "my grandmother's voicemail", "flat-pack furniture"),
    "travel": ("the night train", "Lisbon on foot", "an island ferry", "a mountain hut", "packing light"),
    "animals": ("a rescued otter", "cats and boxes", "the shy owl", "herding dogs", "a penguin parade"),
    "gaming": ("the final boss", "a speedrun", "building a castle", "retro cartridges", "co-op chaos"),
    "science": ("black holes", "slime mould", "why ice floats", "a tabletop volcano", "the deep sea"),
    "fitness": ("ten-minute mobility", "the first pull-up", "interval running", "a calm stretch"),
    "fashion": ("thrifted denim", "a winter coat", "sewing a hem", "bold colours", "one shirt, five ways"),
    "diy": ("a wobbly shelf", "tiling a bathroom", "a bird house", "rewiring a lamp", "old floorboards"),
    "gardening": ("tomatoes on a balcony", "compost", "pruning roses", "a tiny pond", "saving seeds"),
    "photography": ("the golden hour", "film cameras", "street portraits", "long exposure", "one lens"),
    "dance": ("a tango turn", "popping and locking", "the wedding waltz", "footwork", "a flash mob"),
    "history": ("the lost library", "Roman concrete", "a Viking ship", "the first map", "silk roads"),
    "cars": ("a rusty coupe", "hill climbs", "electric conversions", "parallel parking", "engine sounds"),
    "finance": ("an emergency fund", "compound interest", "a weekly budget", "renting or buying"),
    "beauty": ("a five-minute look", "curly hair", "winter skin", "nail art", "eyeliner"),
    "parenting": ("bedtime", "the lunch box", "a rainy afternoon", "first steps", "screen time"),
    "books": ("a cosy mystery", "the slow novel", "reading in winter", "poems aloud", "a banned classic"),
    "chess": ("the queen sacrifice", "rook endings", "a blitz trap", "the Sicilian", "park hustlers"),
    "cycling": ("gravel at dawn", "the long descent", "fixing a flat", "commuting in rain", "a hill sprint"),
    "magic": ("the vanishing coin", "a card force", "street magic", "the oldest trick", "misdirection"),
    "weather": ("storm chasing", "reading clouds", "the first snow", "northern lights", "a desert flood"),
}

PLAIN_TITLES = (
    "{Subject}, slowly",
    "{Subject}: a beginner's guide",
    "What I learned about {subject}",
    "A quiet hour with {subject}",
    "{Subject} in under a minute",
    "Three ways to think about {subject}",
    "{Subject}, explained with care",
    "Everything good about {subject}",
)
BAIT_TITLES = (
    "You will not believe {subject}",
    "{Subject}: they tried to stop me",
    "I did {subject} for 30 days. Wow.",
    "STOP doing {subject} like this",
    "The secret of {subject} nobody tells you",
)

# fmt: off
FIRST_NAMES = (
    "Mira", "Jonas", "Aiko", "Tariq", "Lena", "Oba", "Sofia", "Emre", "Ines", "Ravi", "Clara", "Hugo",
    "Naomi", "Pavel", "Zuri", "Leo", "Freya", "Omar", "Maya", "Ivo", "Yara", "Nils", "Tess", "Kofi",
    "Elif", "Marco", "Suri", "Anton", "Dalia", "Finn", "Rosa", "Kenji", "Alma", "Bao", "Greta", "Luis",
    "Nadia", "Owen", "Priya", "Sami",
)
LAST_NAMES = (
    "Lund", "Okafor", "Tanaka", "Weber", "Silva", "Haddad", "Novak", "Rossi", "Berg", "Mehta", "Duarte",
    "Kim", "Fischer", "Adeyemi", "Costa", "Larsen", "Petrov", "Nakamura", "Moreau", "Castillo", "Demir",
    "Olsen", "Ferreira", "Sato", "Keller", "Mensah", "Varga", "Laurent", "Iyer", "Holm", "Santos",
    "Becker", "Aziz", "Lindgren", "Rocha", "Wagner", "Diaz", "Kowal", "Mori", "Hansen",
)
# fmt: on

# Country, share of the users, hours ahead of UTC.
COUNTRIES: tuple[tuple[str, float, int], ...] = (
    ("US", 0.26, -6),
    ("IN", 0.22, 5),
    ("BR", 0.16, -3),
    ("DE", 0.12, 1),
    ("JP", 0.10, 9),
    ("NG", 0.08, 1),
    ("NO", 0.06, 1),
)


def write_title(template: str, subject: str) -> str:
    """Put a subject into a template, with a capital where the template asks for one."""
    return template.format(subject=subject, Subject=subject[0].upper() + subject[1:])
