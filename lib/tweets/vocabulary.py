"""Vocabulary of the synthetic tweets: hashtags and users, the most popular first, phrases and emoji."""

HASHTAGS = (
    ("DataScience", "en"), ("Madrid", "es"), ("Python", "en"), ("fútbol", "es"), ("AI", "en"),
    ("música", "es"), ("travel", "en"), ("東京", "ja"), ("coffee", "en"), ("verano", "es"),
    ("ApacheKafka", "en"), ("café", "fr"), ("climate", "en"), ("LaLiga", "es"), ("ApacheSpark", "en"),
    ("Fußball", "de"), ("movies", "en"), ("São_Paulo", "pt"), ("startup", "en"), ("cocina", "es"),
    ("Berlin", "de"), ("running", "en"), ("桜", "ja"), ("elecciones", "es"), ("photography", "en"),
    ("Москва", "ru"), ("books", "en"), ("tráfico", "es"), ("été", "fr"), ("streaming", "en"),
    ("universidad", "es"), ("München", "de"), ("cricket", "en"), ("música2026", "es"), ("pão_de_queijo", "pt"),
    ("gaming", "en"), ("Zürich", "de"), ("قهوة", "ar"), ("eclipse", "en"), ("Ñandú", "es"),
)  # fmt: skip

PHRASES = {
    "en": (
        "Can't stop thinking about this", "Breaking:", "Hot take of the day", "Who else is watching?",
        "So proud of the team", "Live now", 'They said "never again"',
    ),
    "es": (
        "¡Qué día!", "No me lo puedo creer", "¿Alguien más lo ha visto?", "Última hora:", "Mañana será otro día",
        "Así empieza todo",
    ),
    "fr": ("Quelle journée !", "J'adore ça", "Déjà prêt", "À ne pas manquer"),
    "de": ("Was für ein Tag", "Schöne Grüße", "Endlich ist es so weit", "Nicht zu fassen"),
    "pt": ("Que saudade", "Não acredito", "Bom dia, gente", "É hoje"),
    "ja": ("すごい", "今日の一枚", "また明日"),
    "ru": ("Какой день", "Доброе утро"),
    "ar": ("صباح الخير", "يوم جميل"),
}  # fmt: skip

EMOJI = ("🔥", "😀", "🎉", "☕", "⚽", "👏🏽", "🇪🇸", "👩‍💻", "❤️", "🚀")

NAMES = (
    "ana", "luis", "maría", "iñaki", "chloé", "jürgen", "sofia", "kenji",
    "olga", "samir", "nina", "paul", "zoë", "tom", "eva", "raj",
)  # fmt: skip
USERS = tuple(f"{name}_{number}" for number in range(1, 21) for name in NAMES)
