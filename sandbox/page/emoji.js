/** Emoji shortcodes: the common ones. An unknown one stays as typed, as in Slack. */

const CODES = {
  "+1": "👍", thumbsup: "👍", "-1": "👎", thumbsdown: "👎", wave: "👋", raised_hands: "🙌", clap: "👏",
  pray: "🙏", ok_hand: "👌", point_right: "👉", point_left: "👈", point_up: "☝️", point_down: "👇",
  raised_hand: "✋", hand: "✋", muscle: "💪", writing_hand: "✍️", handshake: "🤝", eyes: "👀", brain: "🧠",
  smile: "😄", slightly_smiling_face: "🙂", blush: "😊", grinning: "😀", joy: "😂", wink: "😉",
  thinking_face: "🤔", neutral_face: "😐", confused: "😕", cry: "😢", sob: "😭", scream: "😱", rage: "😡",
  sweat_smile: "😅", sunglasses: "😎", tada: "🎉", party_popper: "🎉", confetti_ball: "🎊", sparkles: "✨",
  fire: "🔥", boom: "💥", star: "⭐", star2: "🌟", zap: "⚡", rocket: "🚀", trophy: "🏆", medal: "🏅",
  first_place_medal: "🥇", dart: "🎯", bulb: "💡", bell: "🔔", no_bell: "🔕", mega: "📣",
  loudspeaker: "📢", speech_balloon: "💬", thought_balloon: "💭", heart: "❤️", broken_heart: "💔",
  white_check_mark: "✅", heavy_check_mark: "✔️", ballot_box_with_check: "☑️", x: "❌",
  negative_squared_cross_mark: "❎", heavy_multiplication_x: "✖️", warning: "⚠️", no_entry: "⛔",
  no_entry_sign: "🚫", octagonal_sign: "🛑", stop_sign: "🛑", rotating_light: "🚨", exclamation: "❗",
  question: "❓", grey_question: "❔", grey_exclamation: "❕", bangbang: "‼️", information_source: "ℹ️",
  red_circle: "🔴", large_orange_circle: "🟠", orange_circle: "🟠", large_yellow_circle: "🟡",
  yellow_circle: "🟡", large_green_circle: "🟢", green_circle: "🟢", large_blue_circle: "🔵",
  blue_circle: "🔵", white_circle: "⚪", black_circle: "⚫", large_purple_circle: "🟣",
  small_blue_diamond: "🔹", large_blue_diamond: "🔷", small_orange_diamond: "🔸", red_square: "🟥",
  large_red_square: "🟥", large_green_square: "🟩", large_yellow_square: "🟨", large_orange_square: "🟧",
  large_blue_square: "🟦", white_large_square: "⬜", black_large_square: "⬛", black_small_square: "▪️",
  white_small_square: "▫️", hourglass: "⌛", hourglass_flowing_sand: "⏳", alarm_clock: "⏰",
  stopwatch: "⏱️", timer_clock: "⏲️", clock1: "🕐", clock9: "🕘", calendar: "📆", date: "📅",
  spiral_calendar_pad: "🗓️", calendar_spiral: "🗓️", chart_with_upwards_trend: "📈",
  chart_with_downwards_trend: "📉", bar_chart: "📊", moneybag: "💰", money_with_wings: "💸", dollar: "💵",
  euro: "💶", pound: "💷", yen: "💴", credit_card: "💳", receipt: "🧾", coin: "🪙", bank: "🏦",
  lock: "🔒", unlock: "🔓", key: "🔑", closed_lock_with_key: "🔐", shield: "🛡️", scales: "⚖️",
  balance_scale: "⚖️", memo: "📝", pencil: "📝", pencil2: "✏️", clipboard: "📋", page_facing_up: "📄",
  page_with_curl: "📃", bookmark_tabs: "📑", newspaper: "📰", books: "📚", book: "📖", open_book: "📖",
  notebook: "📓", ledger: "📒", file_folder: "📁", open_file_folder: "📂", card_index_dividers: "🗂️",
  card_file_box: "🗃️", file_cabinet: "🗄️", wastebasket: "🗑️", paperclip: "📎", link: "🔗", chains: "⛓️",
  pushpin: "📌", round_pushpin: "📍", triangular_flag_on_post: "🚩", checkered_flag: "🏁",
  white_flag: "🏳️", package: "📦", inbox_tray: "📥", outbox_tray: "📤", email: "📧", envelope: "✉️",
  incoming_envelope: "📨", robot_face: "🤖", computer: "💻", desktop_computer: "🖥️", floppy_disk: "💾",
  cd: "💿", electric_plug: "🔌", battery: "🔋", gear: "⚙️", wrench: "🔧", hammer: "🔨",
  hammer_and_wrench: "🛠️", toolbox: "🧰", nut_and_bolt: "🔩", microscope: "🔬", telescope: "🔭",
  test_tube: "🧪", petri_dish: "🧫", dna: "🧬", satellite: "🛰️", mag: "🔍", mag_right: "🔎",
  label: "🏷️", ticket: "🎫", bookmark: "🔖", globe_with_meridians: "🌐", earth_africa: "🌍",
  earth_americas: "🌎", earth_asia: "🌏", sunny: "☀️", cloud: "☁️", rainbow: "🌈", snowflake: "❄️",
  seedling: "🌱", evergreen_tree: "🌲", herb: "🌿", coffee: "☕", pizza: "🍕", cake: "🍰",
  construction: "🚧", building_construction: "🏗️", factory: "🏭", office: "🏢", house: "🏠",
  vertical_traffic_light: "🚦", traffic_light: "🚥", fire_extinguisher: "🧯", ambulance: "🚑",
  adhesive_bandage: "🩹", repeat: "🔁", arrows_counterclockwise: "🔄", arrow_right: "➡️",
  arrow_left: "⬅️", arrow_up: "⬆️", arrow_down: "⬇️", arrow_upper_right: "↗️", arrow_lower_right: "↘️",
  leftwards_arrow_with_hook: "↩️", arrow_right_hook: "↪️", fast_forward: "⏩", rewind: "⏪",
  arrow_forward: "▶️", double_vertical_bar: "⏸️", pause_button: "⏸️", black_square_for_stop: "⏹️",
  heavy_plus_sign: "➕", heavy_minus_sign: "➖", heavy_dollar_sign: "💲", new: "🆕", up: "🆙", free: "🆓",
  sos: "🆘", ok: "🆗", id: "🆔", "100": "💯", zzz: "💤", one: "1️⃣", two: "2️⃣", three: "3️⃣", four: "4️⃣",
  five: "5️⃣", six: "6️⃣", seven: "7️⃣", eight: "8️⃣", nine: "9️⃣", keycap_ten: "🔟", ghost: "👻",
  bust_in_silhouette: "👤", busts_in_silhouette: "👥", adult: "🧑", detective: "🕵️", technologist: "🧑‍💻",
  scientist: "🧑‍🔬", judge: "🧑‍⚖️", tophat: "🎩", crystal_ball: "🔮", game_die: "🎲", jigsaw: "🧩",
  compass: "🧭", world_map: "🗺️", ship: "🚢", airplane: "✈️", truck: "🚚", car: "🚗", anchor: "⚓",
  recycle: "♻️", bug: "🐛", turtle: "🐢", snail: "🐌", owl: "🦉", bee: "🐝", see_no_evil: "🙈",
};

/** The character of a shortcode without its colons, or null. */
export function emoji(code) {
  const name = code.replace(/::?skin-tone-[2-6]$/, "");
  return Object.hasOwn(CODES, name) ? CODES[name] : null;
}

/** Text with `:shortcodes:` made into characters. */
export function withEmoji(text) {
  return text.replace(/:([a-z0-9_+'-]+):/g, (whole, code) => emoji(code) || whole);
}
