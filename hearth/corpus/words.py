"""The words of the corpus, sorted by what can be done with them."""


def words(text: str) -> tuple[str, ...]:
    """The comma-separated entries of ``text``."""
    return tuple(part.strip() for part in text.split(","))


VEGETABLES = words("tomato, lettuce, onion, carrot, cucumber, potato, pepper, cabbage, mushroom, beet")
FRUITS = words("apple, pear, banana, orange, melon, lemon, peach")
MEALS = words("pancake, cheese, hamburger, apple pie, pizza, soup, bread, egg, cake, sandwich, rice, chips, cookies")
DRINKS = words("milk, tea, juice, water, coffee, lemonade")
DISHES = words("plate, cup, bowl, glass, spoon, fork, knife, pan, pot")
CLOTH = words("clothes, towel, shirt, socks, blanket, jacket")
OTHER = words("book, lamp, radio, letter, basket, pillow, ball, toys, flowers, keys, newspaper, box")
MADE = words("salad, soup, sandwich, stew")
ROOMS = words("kitchen, living room, bathroom, bedroom, garden, hall")
PLACES = {
    "kitchen": words(
        "fridge, microwave, oven, dishwasher, sink, kitchen table, counter, cutting board, cupboard, stove"
    ),
    "living room": words("sofa, TV, coffee table, armchair, lamp, shelf, radio, fireplace, bookshelf"),
    "bathroom": words("washing machine, sink, bath, mirror, towel, washing basket, stool, heater"),
    "bedroom": words("bed, lamp, wardrobe, desk, pillow, drawer, computer, chair"),
    "garden": words("bench, tree, swing, flowers, shed"),
    "hall": words("door, coat, stairs, shoes, mirror"),
}
DOORS = words("fridge, oven, microwave, dishwasher, washing machine, cupboard, drawer, box")
SPOTS = words(
    "on the kitchen table, in the cupboard, on the counter, in the basket, on the shelf, in the fridge, "
    "on the floor, near the window, on the coffee table, in the box"
)
USES = {
    "a microwave": words("warm up food, heat cold soup, make food hot in a short time, heat a cold meal"),
    "an oven": words("bake bread, bake a cake, roast a potato"),
    "a fridge": words("keep food cold, keep milk fresh, store cheese and butter"),
    "a dishwasher": words("wash dirty dishes, clean cups and spoons, get the dishes clean"),
    "a washing machine": words("wash dirty laundry, get towels clean, wash socks and shirts"),
    "a cutting board": words("chop vegetables, cut bread, slice fruit"),
    "a knife": words("cut bread, chop a carrot, slice an apple"),
    "a bowl": words("hold a salad, serve soup, mix things"),
    "a plate": words("serve a meal, hold a sandwich, put food on"),
    "a sofa": words("sit down, rest, sit with friends"),
    "a TV": words("watch a film, see the news, watch a show in the evening"),
    "a coffee table": words("put drinks on, put snacks on, hold cups and books"),
    "a bed": words("sleep, rest at night"),
    "a lamp": words("get light, read in the evening"),
    "a radio": words("listen to music, hear the news"),
    "a sink": words("wash hands, wash a cup, rinse vegetables"),
    "a stove": words("boil water, fry an egg, cook soup"),
    "a shelf": words("keep books, store boxes"),
    "a cupboard": words("keep cups and glasses, store plates"),
    "a computer": words("write a letter, play a game"),
    "a heater": words("warm the room"),
    "a stool": words("sit down"),
    "a bookshelf": words("keep books, store newspapers"),
    "a washing basket": words("collect dirty clothes, carry laundry"),
    "a kettle": words("boil water for tea"),
}
TRAITS = {
    "tomato": words("red, round, fresh"),
    "lettuce": words("green, fresh"),
    "onion": words("white, strong"),
    "carrot": words("orange, crisp"),
    "cucumber": words("green, long"),
    "pancake": words("flat, sweet, soft"),
    "cheese": words("yellow, soft"),
    "milk": words("white, fresh, cold"),
    "hamburger": words("big, tasty"),
    "apple pie": words("sweet, golden"),
    "pizza": words("flat, round, tasty"),
    "chips": words("salty, crisp"),
    "tea": words("hot, good"),
    "bread": words("fresh, brown"),
    "sofa": words("soft, big"),
    "plate": words("round, flat"),
    "bowl": words("round, deep"),
    "clothes": words("dirty, clean, dry"),
    "soup": words("hot, good"),
    "TV": words("big, loud"),
    "coffee table": words("low, small"),
}
ACTORS = words(
    "farmer, teacher, child, dog, bird, horse, baker, doctor, boy, driver, neighbor, grandmother, student, cat, "
    "brother, uncle, painter, woman, duck, friend"
)
DEEDS = words(
    "works in the field, runs along the river, sings a song, writes a letter, paints the fence, waters the plants, "
    "feeds the cat, sleeps under the tree, plays with the ball, drives to the city, waits for the train, "
    "buys bread at the market, climbs the hill, opens the window, swims in the lake, reads the newspaper, "
    "mends the roof, sweeps the floor, rides a bicycle, calls a friend, looks for the blue shoes, "
    "crosses the street, counts the money, visits the school, carries wood to the fire, cleans the window, "
    "finds a stone on the beach, listens to the wind, draws a picture, plants a rose, catches a mouse, "
    "knocks at the door, brushes the carpet, bakes bread early in the morning, eats breakfast late, "
    "walks through the forest"
)
WEATHER = words(
    "It rains today., The sun shines on the garden., It is cold in winter., Snow lies on the roof., "
    "The sky is gray this morning., In summer the days are long., A strong wind blows., It is dark outside., "
    "In spring the flowers grow., The moon is bright tonight., In autumn the leaves fall., It was a quiet evening."
)
